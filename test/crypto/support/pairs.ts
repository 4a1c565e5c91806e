// Two devices with prekeys, and a channel between them for session tests: every step goes through the public functions.
import { utf8 } from '#crypto/bytes.ts';
import { EMPTY_PREKEY_RECORD, makePrekeySet, type PrekeyRecord } from '#crypto/prekey-store.ts';
import { verifyClaimedPrekeys, type ClaimedPrekeys, type PrekeyBundle } from '#crypto/prekeys.ts';
import type { LocalDevice } from '#crypto/pqxdh.ts';
import type { Rng } from '#crypto/rng.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import {
  decryptPairwise,
  encryptPairwise,
  startSession,
  type PairwiseResult,
  type SessionSet,
} from '#crypto/session.ts';
import { makeAccount, NOW, type TestAccount, type TestDevice } from './people.ts';

/** One end of a conversation between two devices. Mutable on purpose: it plays the stored records of a device. */
export interface End {
  readonly name: string;
  readonly account: TestAccount;
  readonly device: TestDevice;
  readonly self: LocalDevice;
  readonly rng: Rng;
  prekeys: PrekeyRecord;
  /** The other end's claims still to be handed out, as the server would. */
  claims: ClaimedPrekeys[];
  set: SessionSet | null;
}

/** A device of an account with a published prekey set of `units` one-time units. */
export function makeEnd(
  name: string,
  options: { units?: number; account?: TestAccount; device?: number } = {},
): End {
  const account = options.account ?? makeAccount(name);
  const device = account.devices[options.device ?? 0]!;
  const rng = seededRng(utf8(`end/${name}/${options.device ?? 0}`));
  const self = { secrets: device.secrets, log: account.log };
  const end: End = { name, account, device, self, rng, prekeys: EMPTY_PREKEY_RECORD, claims: [], set: null };
  publish(end, NOW, options.units ?? 4);
  return end;
}

/** Publishes the end's next prekey set. */
export function publish(end: End, now: number, units: number): void {
  end.prekeys = makePrekeySet(end.prekeys, { device: end.device.secrets, now, units }, end.rng);
  const { set, units: encoded } = end.prekeys.pending!;
  end.claims = [...encoded.map((unit) => ({ set, unit })), { set, unit: null }];
}

/** What the server hands to a claimer: the lowest unit, then the last-resort bundle for ever. */
export function claim(end: End, now = NOW): PrekeyBundle {
  const claimed = end.claims.length > 1 ? end.claims.shift()! : end.claims[0]!;
  return verifyClaimedPrekeys(claimed, { device: end.device.cert, serverTime: now, knownSetId: 0 });
}

/** `from` opens a session to `to`. */
export function open(from: End, to: End, now = NOW): void {
  const options = { self: from.self, peerLog: to.account.log, bundle: claim(to, now) };
  from.set = startSession(from.set, options, { now, rng: from.rng });
}

/** Encrypts and stores the advanced record, opening a session when one is required. */
export function send(from: End, to: End, text: string, now = NOW): Uint8Array {
  if (!from.set) open(from, to, now);
  const logs = { ownLog: from.self.log, peerLog: to.self.log };
  const sent = encryptPairwise(from.set!, { ...logs, payload: utf8(text) }, { now, rng: from.rng });
  from.set = sent.record;
  return sent.packet;
}

/** Decrypts without storing anything. */
export function peek(to: End, from: End, packet: Uint8Array, now = NOW): PairwiseResult {
  return decryptPairwise(to.set, {
    packet,
    self: to.self,
    peerLog: from.account.log,
    peerDeviceId: from.device.secrets.deviceId,
    prekeys: to.prekeys,
    now,
  });
}

/** Decrypts and stores what came of it; returns the text. */
export function receive(to: End, from: End, packet: Uint8Array, now = NOW): string {
  const result = peek(to, from, packet, now);
  to.set = result.record;
  to.prekeys = result.prekeys;
  return new TextDecoder().decode(result.packet.payload);
}
