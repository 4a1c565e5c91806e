// Crypto: operations per second of the pure JavaScript engine on one core. Each figure is the median of several
// repetitions after a warm-up. What each one covers, and the goals: docs/benchmarks.md.
import { performance } from 'node:perf_hooks';
import { MAX_FORWARD_JUMP } from '#crypto/constants.ts';
import {
  answerRatchet,
  ratchetDecrypt,
  ratchetEncrypt,
  startRatchet,
  type RatchetState,
} from '#crypto/double-ratchet.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import { x25519KeyPair } from '#crypto/primitives.ts';
import { decodePrekeyMessage, initiate, respond } from '#crypto/pqxdh.ts';
import { systemRng as rng } from '#crypto/rng.ts';
import { encryptGroupEvent } from '#crypto/sender-key.ts';
import { verifyRun } from '#crypto/sender-run.ts';
import { encryptPairwise } from '#crypto/session.ts';
import { CONTEXT, headerFor, pair } from '#test/crypto/groups/group-people.ts';
import { claim, makeEnd, open, receive, send } from '#test/crypto/support/pairs.ts';
import { compareBackends } from './ahead.ts';
import { median } from './latency.ts';
import { printResult } from './result.ts';

const REPEATS = 5;
const WARM_UP_MS = 500;
const REPEAT_MS = 600;
/** A key packet's payload. */
const payload = new Uint8Array(96).fill(7);

/** Calls `work`, which does `per` operations, for about `ms`; operations per second. */
function spin(work: () => void, per: number, ms: number): number {
  const start = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    work();
    done += per;
    elapsed = performance.now() - start;
  }
  return (done * 1000) / elapsed;
}

function perSecond(name: string, work: () => void, per = 1): number {
  spin(work, per, WARM_UP_MS);
  const rate = Math.round(median(Array.from({ length: REPEATS }, () => spin(work, per, REPEAT_MS))));
  console.error(`${name}: ${rate}/s`);
  return rate;
}

function handshake() {
  const ada = { ...makeEnd('bench-ada'), rng };
  const bob = { ...makeEnd('bench-bob'), rng };
  const bundle = claim(bob);
  const target = { peerLog: bob.account.log, bundle };
  open(ada, bob);
  const { header } = decodePrekeyMessage(send(ada, bob, 'first'));
  const peerDeviceId = ada.device.secrets.deviceId;
  const context = { peerLog: ada.account.log, peerDeviceId, prekeys: bob.prekeys };
  const start = (): unknown => initiate(ada.self, target, rng);
  const answer = (): unknown => respond(bob.self, header, context);
  return {
    pqxdhInitiate: perSecond('PQXDH initiate', start),
    pqxdhRespond: perSecond('PQXDH respond', answer),
    handshake: perSecond('handshake, both sides', () => [start(), answer()]),
  };
}

/** Two ratchets that have met; `step` encrypts on one side and decrypts on the other. */
function ratchet() {
  const binding = { th: new Uint8Array(32).fill(9), sid: new Uint8Array(8).fill(3) };
  const prekey = x25519KeyPair(rng);
  const rootKey = rng.bytes(32);
  let sides: [RatchetState, RatchetState] = [
    startRatchet(rootKey, prekey.publicKey, rng),
    answerRatchet(rootKey, prekey),
  ];
  const step = (from: 0 | 1): void => {
    const sent = ratchetEncrypt(sides[from], { binding, plaintext: payload }, rng);
    const bounds = { now: CONTEXT.now, maxJump: MAX_FORWARD_JUMP };
    const got = ratchetDecrypt(sides[from === 0 ? 1 : 0], { binding, message: sent.message }, bounds);
    sides = from === 0 ? [sent.state, got.state] : [got.state, sent.state];
  };
  // 500 messages, then one each way: a chain may not grow for ever.
  const oneWay = (): void => {
    for (let i = 0; i < 500; i++) step(0);
    step(1);
  };
  const pingPong = (): void => {
    step(0);
    step(1);
  };
  step(0);
  return {
    ratchetPingPong: perSecond('ratchet, ping-pong', pingPong, 2),
    ratchetOneWay: perSecond('ratchet, one way', oneWay, 501),
  };
}

/** One key packet to a device with a live session, as a rotation makes them for every reader's device. */
function rekeyPacket(): number {
  const ada = { ...makeEnd('rekey-ada'), rng };
  const bob = { ...makeEnd('rekey-bob'), rng };
  receive(bob, ada, send(ada, bob, 'hello'));
  receive(ada, bob, send(bob, ada, 'hello back'));
  // The first packet after a turn makes a new ratchet key; those after it only step the chain.
  send(ada, bob, 'turn');
  const set = ada.set;
  if (!set) throw new Error('no session');
  const logs = { ownLog: ada.self.log, peerLog: bob.self.log };
  const clock = { now: ada.now, rng };
  return perSecond('pairwise rekey packet', () => encryptPairwise(set, { ...logs, payload }, clock));
}

function senderKeys() {
  const { ada, held } = pair('bench');
  const events = Array.from({ length: 50 }, () => ada.say('x'.repeat(200)));
  const { chain } = ada;
  const content = { type: 'text', text: 'x'.repeat(200) } as const;
  const header = headerFor(content, timeOrderedId(CONTEXT.now, rng));
  const context = { rng, now: CONTEXT.now };
  const page = (): void => {
    const { results } = verifyRun(held, events, CONTEXT);
    if (results.some(({ ok }) => !ok)) throw new Error('a message of the page failed');
  };
  return {
    senderKeySend: perSecond('sender key, send', () =>
      encryptGroupEvent(chain, { header, content }, context),
    ),
    pageOf50Messages: perSecond('sender key, verified page of 50, messages', page, 50),
  };
}

printResult({
  bench: 'crypto',
  unit: 'operations per second',
  node: process.version,
  ...handshake(),
  ...ratchet(),
  pairwiseRekeyPacket: rekeyPacket(),
  ...senderKeys(),
  millisecondsByBackend: await compareBackends(),
});
