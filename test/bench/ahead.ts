// In place against WebCrypto ahead, in one run: the same logs, claims, certificates and page, in fresh processes in turn.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serialize } from 'node:v8';
import type { AccountLogState } from '#crypto/account-log.ts';
import type { ChainCertOwner } from '#crypto/chain-cert.ts';
import type { DeviceCert } from '#crypto/device.ts';
import type { IncomingEvent } from '#crypto/dm-message.ts';
import type { ClaimedPrekeys } from '#crypto/prekeys.ts';
import type { LocalDevice } from '#crypto/pqxdh.ts';
import type { ReceiverChain } from '#crypto/receiver-chain.ts';
import { chainOf, CHANNEL, EPOCH, person, received, Speaker } from '#test/crypto/groups/group-people.ts';
import { makeEnd } from '#test/crypto/support/pairs.ts';
import { makeAccount } from '#test/crypto/support/people.ts';
import { median } from './latency.ts';

const ROUNDS = 5;
const WARM_UP = 12;
const MODES = ['pure', 'webcrypto'] as const;

export interface Claim {
  readonly claimed: ClaimedPrekeys;
  readonly cert: DeviceCert;
  readonly log: AccountLogState;
}
/** A chain out of a backup: its certificate as shown, and one message. */
export interface Restored {
  readonly cert: Uint8Array;
  readonly owner: ChainCertOwner;
  readonly event: IncomingEvent;
}
export interface Run {
  readonly chain: ReceiverChain;
  readonly events: readonly IncomingEvent[];
}
export interface AheadCase {
  /** So many of each are not timed. */
  readonly warmUp: number;
  readonly self: LocalDevice;
  readonly logs: readonly (readonly Uint8Array[])[];
  readonly claims: readonly Claim[];
  readonly restored: readonly Restored[];
  readonly runs: readonly Run[];
}

const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: WARM_UP + count }, (_, at) => make(at));

function makeCases(): AheadCase {
  const speaker = person('ahead');
  const owner = {
    ...speaker.device,
    devicePublicKey: speaker.publicKey,
    channelId: CHANNEL,
    maxEpoch: EPOCH,
  };
  const talk = (name: string, length: number): Run & { readonly cert: Uint8Array } => {
    const chain = chainOf(speaker, name);
    const speaking = new Speaker(speaker, chain, name);
    const events = Array.from({ length }, () => speaking.say('x'.repeat(200)));
    return { cert: chain.cert, chain: received(speaker, chain), events };
  };
  return {
    warmUp: WARM_UP,
    self: makeEnd('ahead/self', { units: 0 }).self,
    logs: times(50, (at) => makeAccount(`ahead/${at}`, 3).entries),
    claims: times(25, (at) => {
      const { claims, device, account } = makeEnd(`ahead/peer ${at}`, { units: 1 });
      return { claimed: claims[0]!, cert: device.cert, log: account.log };
    }),
    restored: times(100, (at) => {
      const { cert, events } = talk(`restored ${at}`, 1);
      return { cert, owner, event: events[0]! };
    }),
    runs: times(10, (at) => talk(`run ${at}`, 5)),
  };
}

type Figures = Readonly<Record<string, number>>;

async function inProcess(file: string, mode: string): Promise<Figures> {
  const child = fileURLToPath(new URL('ahead.child.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', child, file, mode]);
  return JSON.parse(stdout) as Figures;
}

/** Medians in milliseconds by case: in place, and with WebCrypto ahead. */
export async function compareBackends(): Promise<Record<string, Record<(typeof MODES)[number], number>>> {
  const folder = await mkdtemp(join(tmpdir(), 'chatalot-bench-'));
  try {
    const file = join(folder, 'cases');
    await writeFile(file, serialize(makeCases()));
    const rounds: Record<(typeof MODES)[number], Figures[]> = { pure: [], webcrypto: [] };
    for (let round = 0; round < ROUNDS; round++)
      for (const mode of MODES) rounds[mode].push(await inProcess(file, mode));
    const medianOf = (mode: (typeof MODES)[number], name: string): number =>
      Math.round(median(rounds[mode].map((figures) => figures[name] ?? NaN)) * 10) / 10;
    const names = Object.keys(rounds.pure[0] ?? {});
    const compared = names.map((name) => {
      const figures = { pure: medianOf('pure', name), webcrypto: medianOf('webcrypto', name) };
      console.error(`${name}: ${figures.pure} ms in place, ${figures.webcrypto} ms with WebCrypto ahead`);
      return [name, figures] as const;
    });
    return Object.fromEntries(compared);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
