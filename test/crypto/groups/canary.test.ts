// A97 and A98 for the group half: what may never leave, and what may never grow.
import { serialize } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { toBase64Url, toHex, utf8 } from '#crypto/bytes.ts';
import { acceptDmKey, encryptDm, openDm, sameDevice } from '#crypto/dm-message.ts';
import { CryptoError } from '#crypto/errors.ts';
import { parseEnvelopeHeader } from '#crypto/envelope.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import {
  boundSkippedKeys,
  installChain,
  markSeen,
  takeMessageKey,
  type ReceiverChain,
} from '#crypto/receiver-chain.ts';
import { senderChainPacket } from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import {
  certOf,
  chainOf,
  CHANNEL,
  CONTEXT,
  flip,
  headerFor,
  NOW,
  overSession,
  pair,
  person,
  rngOf,
} from './group-people.ts';

const CANARY = 'canary-7f3a9c51-do-not-leak';
const ada = person('ada');
const bob = person('bob');
const carol = person('carol');

/** Every way a secret could be written into text. */
function spellings(secret: Uint8Array): string[] {
  return [toHex(secret), toBase64Url(secret), [...secret].join(','), String.fromCharCode(...secret)];
}

function errorText(error: unknown): string {
  if (!(error instanceof CryptoError)) throw error;
  return `${error.name} ${error.message} ${error.stack ?? ''} ${JSON.stringify(error)} ${String(error.cause)}`;
}

/** The texts of everything that fails when each byte of `bytes` is changed. */
function failures(bytes: Uint8Array, open: (changed: Uint8Array) => unknown): string {
  const texts: string[] = [];
  for (let index = 0; index < bytes.length; index++) {
    try {
      open(flip(bytes, index));
    } catch (error) {
      texts.push(errorText(error));
    }
  }
  return texts.join('\n');
}

describe('A97 canary', () => {
  const printed: string[] = [];

  beforeEach(() => {
    printed.length = 0;
    for (const name of ['log', 'warn', 'error', 'info', 'debug'] as const) {
      vi.spyOn(console, name).mockImplementation((...args: unknown[]) => void printed.push(args.join(' ')));
    }
  });

  afterEach(() => vi.restoreAllMocks());

  it('A97 no content and no secret in errors, logs or server-visible bytes of a group message', () => {
    const { ada: speaker, held } = pair('canary');
    const before = speaker.chain;
    const event = speaker.say(CANARY);
    const { frankKey } = openGroupEvent(held, event, CONTEXT).opened;
    const errors = failures(event.envelope, (envelope) =>
      openGroupEvent(held, { ...event, envelope }, CONTEXT),
    );
    expect(errors.length).toBeGreaterThan(1000);
    const secrets = [
      before.seed,
      before.chainKey,
      before.chainSecretKey,
      frankKey,
      utf8(CANARY),
      ada.secretKey,
    ];
    const view = JSON.stringify(parseEnvelopeHeader(event.envelope), (_key, value: unknown) =>
      value instanceof Uint8Array ? toHex(value) : value,
    );
    for (const secret of secrets) {
      for (const spelling of spellings(secret)) {
        expect(errors).not.toContain(spelling);
        expect(view).not.toContain(spelling);
      }
      for (const bytes of [event.envelope, before.cert]) expect(toHex(bytes)).not.toContain(toHex(secret));
    }
    expect(printed).toEqual([]);
  });

  it('A97 nor of a direct message', () => {
    const rng = rngOf('canary/dm');
    const content = { type: 'text', text: CANARY } as const;
    const header = headerFor(content, timeOrderedId(NOW, rng));
    const sent = encryptDm({ header, content, sender: ada.device }, rng);
    const key = acceptDmKey(overSession(ada, sent.keyPacket));
    const conversation = { channelId: CHANNEL, participants: [ada.device.aid, bob.device.aid] } as const;
    const event = { seq: 1, createdAt: NOW, sender: ada.device };
    const errors =
      failures(sent.envelope, (envelope) => openDm({ ...event, envelope }, key, conversation)) +
      failures(sent.keyPacket, (packet) =>
        openDm({ ...event, envelope: sent.envelope }, acceptDmKey(overSession(ada, packet)), conversation),
      );
    for (const secret of [key.contentKey, sent.frankKey, utf8(CANARY)]) {
      for (const spelling of spellings(secret)) expect(errors).not.toContain(spelling);
      expect(toHex(sent.envelope)).not.toContain(toHex(secret));
    }
    expect(printed).toEqual([]);
  });
});

/** Passes 1000 messages through a chain as fast as the state allows, losing every other one. */
function exhaust(chain: ReceiverChain, now: number): ReceiverChain {
  let held = chain;
  for (let iter = 1; iter < 1000; iter += 2) {
    held = takeMessageKey(held, iter, now).chain;
    held = markSeen(held, { iter, seq: iter + 1, link: held.certHash, prev: held.certHash });
  }
  return held;
}

describe('A98 bounds', () => {
  it('A98 state per channel stops growing: 120 000 events, three senders, half of them lost', () => {
    const records = new Map<string, ReceiverChain>();
    const sizes: number[] = [];
    for (let round = 0; round < 40; round++) {
      for (const owner of [ada, bob, carol]) {
        const chain = chainOf(owner, `bound/${round}/${toHex(owner.device.deviceId)}`);
        const mine = [...records.values()].filter((record) => sameDevice(record.owner, owner.device));
        const now = NOW + round;
        const context = { cert: certOf(chain, owner), existing: mine, now };
        const done = installChain(overSession(owner, senderChainPacket(chain)), context);
        for (const gone of done.evicted) records.delete(toHex(gone.chainId));
        const held = exhaust(done.chain, now);
        for (const record of [...done.archived, held]) records.set(toHex(record.chainId), record);
      }
      for (const record of boundSkippedKeys([...records.values()]))
        records.set(toHex(record.chainId), record);
      sizes.push(serialize([...records.values()]).length);
    }
    const all = [...records.values()];
    expect(all.filter((record) => !record.archived).length).toBe(15);
    expect(all.length).toBe(3 * 37);
    expect(all.reduce((sum, record) => sum + record.skipped.length, 0)).toBe(4000);
    // once the bounds are reached nothing grows, whatever still comes
    expect(Math.max(...sizes.slice(37)) - sizes[36]!).toBeLessThan(20_000);
    expect(sizes.at(-1)!).toBeLessThan(6_000_000);
  }, 120_000);
});
