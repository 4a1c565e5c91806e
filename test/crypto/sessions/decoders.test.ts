// Byte fuzzing of every pairwise decoder, and messages of one kind fed to the decoder of another.
import { describe, expect, it } from 'vitest';
import { concat, equalBytes, utf8 } from '#crypto/bytes.ts';
import { MESSAGE_SENDER_KEY } from '#crypto/constants.ts';
import { decodeRatchetMessage } from '#crypto/double-ratchet.ts';
import { frameWithGossip, judgeGossip, splitGossip } from '#crypto/gossip.ts';
import { decodePrekeyMessage } from '#crypto/pqxdh.ts';
import { packetKind } from '#crypto/session.ts';
import { expectCode } from '../support/expect-code.ts';
import { fuzzDecoder } from '../support/fuzz.ts';
import { makeEnd, peek, receive, send } from '../support/pairs.ts';
import { addDevice, makeAccount } from '../support/people.ts';

const ada = makeEnd('ada');
const bob = makeEnd('bob');
const opening = send(ada, bob, 'opening');
const lastResortBob = makeEnd('carol', { units: 0 });
const lastResort = send({ ...ada, set: null }, lastResortBob, 'opening');
receive(bob, ada, opening);
const reply = send(bob, ada, 'reply');
receive(ada, bob, reply);
const logs = { ownLog: ada.self.log, peerLog: bob.self.log };

describe('decoders of the pairwise half', () => {
  it('A95 ratchet messages', () => {
    expect(fuzzDecoder('ratchet message', decodeRatchetMessage, reply).accepted).toBeGreaterThan(0);
  });

  it('A95 prekey messages', () => {
    const samples = [opening, lastResort];
    expect(fuzzDecoder('prekey message', decodePrekeyMessage, samples).accepted).toBeGreaterThan(0);
  });

  it('A95 packet plaintexts', () => {
    const sample = frameWithGossip(logs, utf8('payload'));
    const judge = (bytes: Uint8Array): unknown => judgeGossip(splitGossip(bytes).gossip, logs);
    expect(fuzzDecoder('gossip', judge, sample).accepted).toBeGreaterThan(0);
  });

  it('A95 whole packets into a session set', () => {
    const next = send(ada, bob, 'next');
    let forged = 0;
    const decode = (bytes: Uint8Array): void => {
      peek(bob, ada, bytes);
      if (!equalBytes(bytes, next)) forged++;
    };
    fuzzDecoder('pairwise packet', decode, next, 3_000);
    expect(forged).toBe(0);
  });

  it('A50 group message bytes are no pairwise packet', () => {
    const group = concat(Uint8Array.of(MESSAGE_SENDER_KEY), reply.subarray(1));
    expectCode('malformed', () => peek(ada, bob, group));
    expectCode('malformed', () => packetKind(group));
    for (let first = 0; first < 256; first++) {
      if (first === 0x10 || first === 0x11) continue;
      expectCode('malformed', () => peek(ada, bob, reply.with(0, first)));
    }
    expectCode('malformed', () => peek(ada, bob, new Uint8Array(0)));
  });

  it('A50 a prekey message is no ratchet message and the reverse', () => {
    expectCode('malformed', () => decodeRatchetMessage(opening));
    expectCode('malformed', () => decodePrekeyMessage(reply));
    expect(() => peek(ada, bob, reply.with(0, 0x10))).toThrow();
    expect(() => peek(bob, ada, opening.with(0, 0x11))).toThrow();
    const nested = concat(decodePrekeyMessage(opening).header.encoded, opening);
    expectCode('malformed', () => peek(bob, ada, nested));
  });
});

describe('gossip of log heads', () => {
  it('travels in every packet and tells agreement, a newer log and a fork apart (A04)', () => {
    expect(peek(bob, ada, send(ada, bob, 'x')).heads).toEqual({ peerLog: 'agrees', ownLog: 'agrees' });
    const grown = addDevice(bob.account).account;
    const sent = splitGossip(frameWithGossip({ ...logs, peerLog: grown.log }, utf8('x'))).gossip;
    const received = { ownLog: bob.self.log, peerLog: ada.self.log };
    expect(judgeGossip(sent, received)).toEqual({ peerLog: 'agrees', ownLog: 'newer' });
    const other = addDevice(makeAccount('bob', 0), 'bot').account;
    expect(other.log.headSeq).toBe(bob.self.log.headSeq);
    const split = splitGossip(frameWithGossip({ ...logs, peerLog: other.log }, utf8('x'))).gossip;
    expect(judgeGossip(split, received)).toEqual({ peerLog: 'agrees', ownLog: 'fork' });
    const known = { ownLog: grown.log, peerLog: ada.self.log };
    expect(judgeGossip(splitGossip(frameWithGossip(logs, utf8('x'))).gossip, known).ownLog).toBe('agrees');
  });

  it('refuses a packet without a payload', () => {
    expectCode('malformed', () => splitGossip(frameWithGossip(logs, new Uint8Array(0))));
  });
});
