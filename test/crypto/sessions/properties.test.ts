// Laws over random schedules and random damage: what arrives opens exactly once, and a refused packet changes nothing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equalBytes } from '#crypto/bytes.ts';
import { CryptoError } from '#crypto/errors.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeEnd, peek, receive, send, stateBytes, type End } from '../support/pairs.ts';

interface Step {
  readonly fromAda: boolean;
  readonly act: 'send' | 'deliver' | 'drop' | 'repeat';
  readonly pick: number;
}

const steps = fc.array(
  fc.record<Step>({
    fromAda: fc.boolean(),
    act: fc.constantFrom('send', 'send', 'send', 'deliver', 'deliver', 'repeat', 'drop'),
    pick: fc.nat(30),
  }),
  { minLength: 10, maxLength: 120 },
);

/** An established pair, made once and copied: handshakes are not what these properties are about. */
const established = ((): { ada: End; bob: End } => {
  const ada = makeEnd('ada');
  const bob = makeEnd('bob');
  receive(bob, ada, send(ada, bob, 'a'));
  receive(ada, bob, send(bob, ada, 'b'));
  return { ada, bob };
})();

function copy(): { ada: End; bob: End } {
  return { ada: { ...established.ada }, bob: { ...established.bob } };
}

interface Flight {
  readonly packet: Uint8Array;
  readonly text: string;
}

function play(ada: End, bob: End, schedule: readonly Step[]): void {
  const wire: Record<string, Flight[]> = { true: [], false: [] };
  const delivered: Record<string, Flight[]> = { true: [], false: [] };
  let count = 0;
  for (const { fromAda, act, pick } of schedule) {
    const [from, to] = fromAda ? [ada, bob] : [bob, ada];
    const flying = wire[`${fromAda}`]!;
    const done = delivered[`${fromAda}`]!;
    if (act === 'send') {
      const text = `message ${count++}`;
      flying.push({ packet: send(from, to, text), text });
    } else if (act === 'repeat') {
      const again = done[pick % Math.max(1, done.length)];
      if (again) expect(() => peek(to, from, again.packet)).toThrow(CryptoError);
    } else {
      const [item] = flying.splice(pick % Math.max(1, flying.length), 1);
      if (!item || act === 'drop') continue;
      expect(receive(to, from, item.packet)).toBe(item.text);
      done.push(item);
    }
  }
}

describe('pairwise properties', () => {
  it('round trip: under random reordering, loss and repeats every packet that arrives opens exactly once', () => {
    fc.assert(
      fc.property(steps, (schedule) => {
        const { ada, bob } = copy();
        play(ada, bob, schedule);
        expect(receive(bob, ada, send(ada, bob, 'after all'))).toBe('after all');
        expect(receive(ada, bob, send(bob, ada, 'after all'))).toBe('after all');
      }),
      { numRuns: 150 },
    );
  });

  const damage = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), value: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.constant(0) }),
    fc.record({ kind: fc.constant('grow' as const), at: fc.nat(), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), value: fc.nat(255) }),
  );

  function apply(packet: Uint8Array, d: { kind: string; at: number; value: number }): Uint8Array {
    const at = d.at % packet.length;
    if (d.kind === 'flip') return packet.with(at, packet[at]! ^ d.value);
    if (d.kind === 'cut') return packet.slice(0, at);
    const extra = Uint8Array.of(d.value);
    return d.kind === 'grow'
      ? concat(packet, extra)
      : concat(packet.subarray(0, at), extra, packet.subarray(at));
  }

  function expectUnchanged(end: End, from: End, packet: Uint8Array): void {
    const before = stateBytes(end);
    let refused = false;
    try {
      peek(end, from, packet);
    } catch (error) {
      refused = true;
      expect(error).toBeInstanceOf(CryptoError);
    }
    expect(refused).toBe(true);
    expect(stateBytes(end).equals(before)).toBe(true);
  }

  it('A44 a failed decryption in a session leaves the state byte-identical, whatever the damage', () => {
    fc.assert(
      fc.property(steps, fc.array(damage, { minLength: 4, maxLength: 12 }), (schedule, damages) => {
        const { ada, bob } = copy();
        play(ada, bob, schedule.slice(0, 30));
        const packet = send(ada, bob, 'the one');
        for (const d of damages) {
          const forged = apply(packet, d);
          expect(equalBytes(forged, packet)).toBe(false);
          expectUnchanged(bob, ada, forged);
        }
        expect(receive(bob, ada, packet)).toBe('the one');
      }),
      { numRuns: 120 },
    );
  });

  it('A44 a failed first message leaves sessions and prekeys byte-identical', () => {
    const ada = makeEnd('ada');
    for (const units of [2, 0]) {
      const bob = makeEnd('bob', { units });
      const packet = send({ ...ada, set: null }, bob, 'opening');
      fc.assert(
        fc.property(damage, (d) => {
          expectUnchanged(bob, ada, apply(packet, d));
        }),
        { numRuns: 150 },
      );
      expect(receive(bob, ada, packet)).toBe('opening');
    }
  });

  it('A44 the input of a successful call is not changed either: the caller decides what is stored', () => {
    const { ada, bob } = copy();
    const before = structuredClone(ada.set);
    const frozen = ada.set;
    const packet = send(ada, bob, 'x');
    expect(frozen).toEqual(before);
    const receiving = structuredClone(bob.set);
    peek(bob, ada, packet);
    expect(bob.set).toEqual(receiving);
  });

  it('a packet over 4 kB is refused on both sides, one just below passes', () => {
    const { ada, bob } = copy();
    const fits = 'x'.repeat(4096 - 57 - 16 - 34);
    const packet = send(ada, bob, fits);
    expect(packet.length).toBe(4096);
    expect(receive(bob, ada, packet)).toBe(fits);
    expectCode('limit', () => send(ada, bob, `${fits}x`));
    expectCode('limit', () => peek(bob, ada, new Uint8Array(4097).fill(0x11)));
  });
});
