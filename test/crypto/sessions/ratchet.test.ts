// The Double Ratchet on its own: turns, loss, limits, and every way a header or an old message can be misused.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concat, toHex, utf8 } from '#crypto/bytes.ts';
import {
  MAX_CHAIN_WITHOUT_TURN,
  MAX_FORWARD_JUMP,
  MAX_FORWARD_JUMP_SELF,
  MAX_RECEIVER_CHAINS,
  MAX_SKIPPED_KEYS,
  SKIPPED_KEY_LIFETIME_MS,
} from '#crypto/constants.ts';
import {
  answerRatchet,
  decodeRatchetMessage,
  ratchetDecrypt,
  ratchetEncrypt,
  receivedCount,
  startRatchet,
  type RatchetState,
} from '#crypto/double-ratchet.ts';
import { aeadSeal, hkdfExpand, x25519KeyPair } from '#crypto/primitives.ts';
import type { Rng } from '#crypto/rng.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';
import { NOW } from '../support/people.ts';

const binding = { th: new Uint8Array(32).fill(9), sid: new Uint8Array(8).fill(3) };

/** One side of a bare ratchet. */
class Side {
  state: RatchetState;
  now = NOW;
  readonly rng: Rng;

  constructor(state: RatchetState, rng: Rng) {
    this.state = state;
    this.rng = rng;
  }

  send(text = 'x'): Uint8Array {
    const sent = ratchetEncrypt(this.state, { binding, plaintext: utf8(text) }, this.rng);
    this.state = sent.state;
    return sent.message;
  }

  /** Sends `count` messages nobody keeps. */
  burn(count: number): void {
    for (let i = 0; i < count; i++) this.send();
  }

  open(message: Uint8Array, maxJump = MAX_FORWARD_JUMP): { state: RatchetState; plaintext: Uint8Array } {
    return ratchetDecrypt(this.state, { binding, message }, { now: this.now, maxJump });
  }

  receive(message: Uint8Array, maxJump = MAX_FORWARD_JUMP): string {
    const { state, plaintext } = this.open(message, maxJump);
    this.state = state;
    return new TextDecoder().decode(plaintext);
  }
}

function sides(): { ada: Side; bob: Side } {
  const rng = seededRng(utf8('ratchet'));
  const prekey = x25519KeyPair(rng);
  const rootKey = rng.bytes(32);
  const ada = new Side(startRatchet(rootKey, prekey.publicKey, rng), seededRng(utf8('ada')));
  return { ada, bob: new Side(answerRatchet(rootKey, prekey), seededRng(utf8('bob'))) };
}

function turn(from: Side, to: Side): void {
  expect(to.receive(from.send('turn'))).toBe('turn');
}

/** Where the ciphertext starts. */
function headerLength(message: Uint8Array): number {
  return decodeRatchetMessage(message).header.encoded.length;
}

describe('double ratchet', () => {
  it('makes a new ratchet key with every answer and keeps no secret of a key that was met', () => {
    const { ada, bob } = sides();
    const seen = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const [from, to] = i % 2 === 0 ? [ada, bob] : [bob, ada];
      const message = from.send();
      seen.add(toHex(decodeRatchetMessage(message).header.dhPub));
      to.receive(message);
      expect(to.state.ownKeys).toBeNull();
      expect(to.state.sending).toBeNull();
    }
    expect(seen.size).toBe(6);
  });

  it('cannot send before anything was received on the answering side', () => {
    expectCode('unknown_chain', () => sides().bob.send());
  });

  it('reads late messages of earlier chains, also of a chain already pushed out by newer ones', () => {
    const { ada, bob } = sides();
    turn(ada, bob);
    turn(bob, ada);
    const late = [ada.send('late 0'), ada.send('late 1'), ada.send('late 2')];
    for (let i = 0; i < MAX_RECEIVER_CHAINS + 2; i++) {
      turn(ada, bob);
      turn(bob, ada);
    }
    expect(bob.state.receiving).toHaveLength(MAX_RECEIVER_CHAINS);
    expect(bob.state.skipped).toHaveLength(3);
    for (const i of [2, 0, 1]) expect(bob.receive(late[i]!)).toBe(`late ${i}`);
    expect(bob.state.skipped).toHaveLength(0);
  });

  it('reads the tail of a chain that was answered before the tail arrived, after five newer chains too', () => {
    for (const turns of [1, MAX_RECEIVER_CHAINS + 2]) {
      const { ada, bob } = sides();
      turn(ada, bob);
      const tail = [ada.send('tail 0'), ada.send('tail 1')];
      for (let i = 0; i < turns; i++) {
        turn(bob, ada);
        turn(ada, bob);
      }
      expect(bob.state.skipped).toHaveLength(turns === 1 ? 0 : 2);
      for (const i of [1, 0]) expect(bob.receive(tail[i]!)).toBe(`tail ${i}`);
    }
  });

  it('refuses a chain that contradicts its announced length, and an out-of-turn ratchet key', () => {
    const { ada, bob } = sides();
    turn(ada, bob);
    const next = ada.send();
    const foreign = concat(next.subarray(0, 11), x25519KeyPair(ada.rng).publicKey, next.subarray(43));
    expectCode('unknown_chain', () => bob.open(foreign));
    expect(bob.receive(next)).toBe('x');
    turn(bob, ada);
    turn(ada, bob);
    const closed = bob.state.receiving[0]!;
    expect(closed.length).toBe(2);
    ada.burn(2);
    const beyond = ada.send();
    const forged = concat(beyond.subarray(0, 11), closed.dhPub, beyond.subarray(43));
    expectCode('mismatch', () => bob.open(forged));
  });

  it('counts what the peer sent, lost messages included', () => {
    const { ada, bob } = sides();
    ada.burn(3);
    bob.receive(ada.send());
    expect(receivedCount(bob.state)).toBe(4);
    turn(bob, ada);
    ada.burn(1);
    bob.receive(ada.send());
    expect(receivedCount(bob.state)).toBe(6);
  });

  it('ends a chain after 5000 messages without an answer', () => {
    const { ada, bob } = sides();
    const sending = { ...ada.state.sending!, n: MAX_CHAIN_WITHOUT_TURN - 1 };
    ada.state = { ...ada.state, sending };
    ada.send();
    expectCode('limit', () => ada.send());
    expect(bob.state.skipped).toHaveLength(0);
  });
});

describe('double ratchet, adversarial', () => {
  it('A40 every flipped bit of the header fails and changes nothing', () => {
    const { ada, bob } = sides();
    turn(ada, bob);
    turn(bob, ada);
    bob.receive(ada.send());
    for (const message of [ada.send('payload'), (turn(bob, ada), ada.send('payload'))]) {
      const before = structuredClone(bob.state);
      for (let bit = 0; bit < headerLength(message) * 8; bit++) {
        const at = bit >> 3;
        const forged = message.with(at, message[at]! ^ (1 << (bit & 7)));
        expect(() => bob.open(forged), `bit ${bit}`).toThrow();
      }
      expect(bob.state).toEqual(before);
      expect(bob.receive(message)).toBe('payload');
    }
  });

  it('A40 every flipped bit of the ciphertext fails, and so does every truncation', () => {
    const { ada, bob } = sides();
    const message = ada.send('payload');
    const start = headerLength(message);
    for (let bit = start * 8; bit < message.length * 8; bit++) {
      const at = bit >> 3;
      expectCode('bad_mac', () => bob.open(message.with(at, message[at]! ^ (1 << (bit & 7)))));
    }
    for (let length = 0; length < message.length; length++) {
      expect(() => bob.open(message.slice(0, length))).toThrow();
    }
    expect(bob.receive(message)).toBe('payload');
  });

  it('A40 a flag, also the reserved bit 7, is refused as unsupported', () => {
    const { ada, bob } = sides();
    const message = ada.send();
    for (let bit = 0; bit < 8; bit++) expectCode('unsupported', () => bob.open(message.with(1, 1 << bit)));
  });

  it('A41 a message sealed without associated data, or with less of it, does not open', () => {
    const { ada, bob } = sides();
    const message = ada.send('x');
    const { header } = decodeRatchetMessage(message);
    const messageKey = hkdfExpand(sides().ada.state.sending!.chainKey, 'cl1/dr/chain', 64).slice(32);
    const seal = (aad: Uint8Array): Uint8Array =>
      concat(header.encoded, aeadSeal(messageKey, header.nonce, utf8('x'), aad));
    const full = concat(utf8('cl1/dr'), binding.th, header.encoded);
    expect(bob.open(seal(full)).plaintext).toEqual(utf8('x'));
    const lesser = [
      new Uint8Array(0),
      header.encoded,
      concat(binding.th, header.encoded),
      concat(utf8('cl1/dr'), binding.th),
      concat(utf8('cl1/dr'), new Uint8Array(32), header.encoded),
      full.subarray(0, full.length - 1),
    ];
    for (const aad of lesser) expectCode('bad_mac', () => bob.open(seal(aad)));
  });

  it('A41 the pairwise code opens ciphertext in one place, with the one associated data', () => {
    const read = (name: string): string =>
      readFileSync(new URL(`../../../src/crypto/${name}.ts`, import.meta.url), 'utf8');
    const ratchet = read('double-ratchet').replace(/import[^;]+;/g, '');
    expect(ratchet.match(/aeadOpen\(/g)).toHaveLength(1);
    expect(ratchet).toContain('aeadOpen(located.messageKey, header.nonce, ciphertext, aad)');
    expect(ratchet).toContain('const aad = associatedData(receive.binding, header.encoded);');
    expect(ratchet).not.toContain('catch');
    for (const name of ['pqxdh', 'session', 'gossip'])
      expect(read(name)).not.toMatch(/aead(Open|Seal)|chacha/i);
  });

  it('A42 a jump of 1000 is taken, 1001 refused; between own devices a whole chain may be skipped', () => {
    for (const [maxJump, allowed] of [
      [MAX_FORWARD_JUMP, MAX_FORWARD_JUMP],
      [MAX_FORWARD_JUMP_SELF, MAX_CHAIN_WITHOUT_TURN - 1],
    ] as const) {
      const { ada, bob } = sides();
      ada.burn(allowed);
      const far = ada.send('far');
      expect(bob.open(far, maxJump).state.skipped.length).toBe(Math.min(allowed, MAX_SKIPPED_KEYS));
      if (maxJump !== MAX_FORWARD_JUMP) continue;
      const further = ada.send('further');
      expectCode('limit', () => bob.open(further, maxJump));
    }
  });

  it('A42 at most 2000 skipped keys are kept, over all chains, and the oldest goes first', () => {
    const { ada, bob } = sides();
    const missed: Uint8Array[] = [];
    for (let chain = 0; chain < 2; chain++) {
      for (let i = 0; i < 1000; i++) missed.push(ada.send(`${missed.length}`));
      turn(ada, bob);
      turn(bob, ada);
    }
    expect(bob.state.skipped).toHaveLength(MAX_SKIPPED_KEYS);
    expect(bob.open(missed[0]!).plaintext).toEqual(utf8('0'));
    missed.push(ada.send('2000'));
    turn(ada, bob);
    expect(bob.state.skipped).toHaveLength(MAX_SKIPPED_KEYS);
    expectCode('replay', () => bob.open(missed[0]!));
    expect(bob.receive(missed[1]!)).toBe('1');
    expect(bob.receive(missed[1999]!)).toBe('1999');
    expect(bob.receive(missed[2000]!)).toBe('2000');
  });

  it('A42 a skipped key is forgotten after 30 days', () => {
    const { ada, bob } = sides();
    const old = ada.send('old');
    bob.receive(ada.send());
    bob.now = NOW + SKIPPED_KEY_LIFETIME_MS - 1;
    expect(bob.open(old).plaintext).toEqual(utf8('old'));
    bob.now = NOW + SKIPPED_KEY_LIFETIME_MS;
    expectCode('replay', () => bob.open(old));
    bob.receive(ada.send());
    expect(bob.state.skipped).toHaveLength(0);
  });

  it('A42 at most five receiving chains are kept, and a wide gap in a closed chain stays bounded', () => {
    const { ada, bob } = sides();
    turn(ada, bob);
    for (let i = 0; i < 8; i++) {
      turn(bob, ada);
      turn(ada, bob);
      ada.burn(400);
    }
    expect(bob.state.receiving).toHaveLength(MAX_RECEIVER_CHAINS);
    expect(bob.state.skipped.length).toBeLessThanOrEqual(MAX_SKIPPED_KEYS);
  });

  it('A43 a delivered message, a delivered skipped message, and both after a restart, are replays', () => {
    const { ada, bob } = sides();
    const skipped = ada.send('skipped');
    const next = ada.send('next');
    bob.receive(next);
    bob.receive(skipped);
    for (const message of [skipped, next]) expectCode('replay', () => bob.open(message));
    bob.state = structuredClone(bob.state);
    for (const message of [skipped, next]) expectCode('replay', () => bob.open(message));
    turn(bob, ada);
    turn(ada, bob);
    for (const message of [skipped, next]) {
      expect(() => bob.open(message)).toThrow();
    }
  });

  it('A47 a restored snapshot seals under a fresh nonce: no (key, nonce) pair comes twice', () => {
    const { ada } = sides();
    const snapshot = structuredClone(ada.state);
    const pairs = new Set<string>();
    for (let clone = 0; clone < 200; clone++) {
      ada.state = structuredClone(snapshot);
      const { header } = decodeRatchetMessage(ada.send(`${clone}`));
      expect(header.n).toBe(0);
      pairs.add(toHex(header.nonce));
    }
    expect(pairs.size).toBe(200);
  });

  it('A47 a restored snapshot that has to answer makes another ratchet key', () => {
    const { ada, bob } = sides();
    turn(ada, bob);
    const snapshot = structuredClone(bob.state);
    const keys = new Set<string>();
    for (let clone = 0; clone < 50; clone++) {
      bob.state = structuredClone(snapshot);
      keys.add(toHex(decodeRatchetMessage(bob.send()).header.dhPub));
    }
    expect(keys.size).toBe(50);
  });
});
