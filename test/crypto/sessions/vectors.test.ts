// Own frozen vectors: any change to one of these bytes is a break of the wire.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { toHex } from '#crypto/bytes.ts';
import { requirePrekeySecrets } from '#crypto/prekey-store.ts';
import { H } from '#crypto/primitives.ts';
import type { Session } from '#crypto/session.ts';
import { claim, makeEnd, peek, receive, send, type End } from '../support/pairs.ts';
import { frozenVectors } from '../support/vectors.ts';

/** A device as both logs show it, with the secret half of its handshake key. */
interface Party {
  readonly aid: string;
  readonly deviceId: string;
  readonly signingPub: string;
  readonly dhPub: string;
  readonly dhSecret: string;
  readonly headSeq: number;
  readonly headHash: string;
}

function party(end: End): Party {
  const { cert, secrets } = end.device;
  return {
    aid: toHex(cert.aid),
    deviceId: toHex(cert.deviceId),
    signingPub: toHex(cert.signingPub),
    dhPub: toHex(cert.dhPub),
    dhSecret: toHex(secrets.dh.secretKey),
    headSeq: end.self.log.headSeq,
    headHash: toHex(end.self.log.headHash),
  };
}

interface HandshakeVector {
  readonly name: string;
  readonly initiator: Party;
  readonly responder: Party;
  readonly spkSecret: string;
  readonly oneTimeSecret: string | null;
  readonly kemSeed: string;
  readonly set: string;
  readonly unit: string | null;
  readonly th: string;
  readonly sid: string;
  readonly packet: string;
  /** After the first ratchet step. */
  readonly rootKey: string;
  readonly text: string;
}

function handshake(name: string, units: number): HandshakeVector {
  const ada = makeEnd('ada');
  const bob = makeEnd('bob', { units });
  const { set, unit } = bob.claims[0]!;
  const secrets = requirePrekeySecrets(bob.prekeys, 1, units === 0 ? null : 0);
  const packet = send(ada, bob, 'first message');
  const session = ada.set!.sessions[0]!;
  return {
    name,
    initiator: party(ada),
    responder: party(bob),
    spkSecret: toHex(secrets.spkSecret),
    oneTimeSecret: secrets.oneTime && toHex(secrets.oneTime.dhSecret),
    kemSeed: toHex(secrets.kemSeed),
    set: toHex(set),
    unit: unit && toHex(unit),
    th: toHex(session.th),
    sid: toHex(session.sid),
    packet: toHex(packet),
    rootKey: toHex(session.ratchet.rootKey),
    text: receive(bob, ada, packet),
  };
}

interface RatchetVector {
  readonly from: 'ada' | 'bob';
  /** Secret half of the ratchet key in the header. */
  readonly ratchetSecret: string;
  readonly text: string;
  readonly packet: string;
}

interface Transcript {
  readonly initiator: Party;
  readonly responder: Party;
  readonly spkSecret: string;
  readonly oneTimeSecret: string;
  readonly kemSeed: string;
  readonly messages: readonly RatchetVector[];
  /** H(RK ‖ newest receiving chain key ‖ TH) of each side at the end. */
  readonly ada: string;
  readonly bob: string;
}

/** 40 messages; blocks of one side are handed over in reverse, and every seventh arrives three blocks late. */
function transcript(): Transcript {
  const ada = makeEnd('ada');
  const bob = makeEnd('bob');
  const { spkSecret, oneTime, kemSeed } = requirePrekeySecrets(bob.prekeys, 1, 0);
  const prekeys = {
    spkSecret: toHex(spkSecret),
    oneTimeSecret: toHex(oneTime!.dhSecret),
    kemSeed: toHex(kemSeed),
  };
  const messages: RatchetVector[] = [];
  const late: (() => void)[] = [];
  for (let block = 0; block < 10; block++) {
    const [from, to] = block % 2 === 0 ? [ada, bob] : [bob, ada];
    const batch: (() => void)[] = [];
    for (let i = 0; i < 4; i++) {
      const text = `block ${block} message ${i}`;
      const packet = send(from, to, text);
      const deliver = (): void => expect(receive(to, from, packet)).toBe(text);
      (messages.length % 7 === 6 ? late : batch).push(deliver);
      const ratchetSecret = toHex(from.set!.sessions[0]!.ratchet.ownKeys!.secretKey);
      messages.push({ from: from === ada ? 'ada' : 'bob', ratchetSecret, text, packet: toHex(packet) });
    }
    for (const deliver of batch.reverse()) deliver();
    if (block % 3 === 2) for (const deliver of late.splice(0)) deliver();
  }
  for (const deliver of late) deliver();
  const digest = (s: Session): string =>
    toHex(H(s.ratchet.rootKey, s.ratchet.receiving.at(-1)!.chainKey, s.th));
  const ends = { initiator: party(ada), responder: party(bob), ...prekeys };
  return { ...ends, messages, ada: digest(ada.set!.sessions[0]!), bob: digest(bob.set!.sessions[0]!) };
}

const oracle = fileURLToPath(new URL('../support/oracle-pairwise.py', import.meta.url));
const probe = 'import cryptography.hazmat.primitives.asymmetric.mlkem';
const available = spawnSync('python3', ['-c', probe]).status === 0;

describe('frozen vectors of the pairwise half', () => {
  it('PQXDH with and without a one-time unit', () => {
    const fresh = [handshake('with one-time unit', 1), handshake('last resort', 0)];
    expect(fresh[0]!.unit).not.toBeNull();
    expect(fresh[1]!.unit).toBeNull();
    expect(fresh).toEqual(frozenVectors('pqxdh.json', fresh));
  });

  it('Double Ratchet: 40 messages with reordering', () => {
    const fresh = transcript();
    expect(fresh.messages).toHaveLength(40);
    expect(fresh).toEqual(frozenVectors('double-ratchet.json', fresh));
  });

  it('a frozen first message opens for its responder', () => {
    const ada = makeEnd('ada');
    for (const [i, units] of [1, 0].entries()) {
      const bob = makeEnd('bob', { units });
      claim(bob);
      const vector = frozenVectors<HandshakeVector[]>('pqxdh.json', [])[i]!;
      const packet = Uint8Array.from(vector.packet.match(/../g)!.map((h) => Number.parseInt(h, 16)));
      const result = peek(bob, ada, packet);
      expect(new TextDecoder().decode(result.packet.payload)).toBe(vector.text);
      expect(toHex(result.record.sessions[0]!.th)).toBe(vector.th);
    }
  });

  it.skipIf(!available)(
    'an independent implementation opens all of them (needs python3 with cryptography ≥ 48)',
    () => {
      expect(execFileSync('python3', [oracle], { encoding: 'utf8' })).toBe('ok 42\n');
    },
  );
});
