// Which session is used: repeated openings, simultaneous initiation, refresh, ageing, colliding session ids.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ARCHIVED_SESSION_LIFETIME_MS,
  MAX_ARCHIVED_SESSIONS,
  MAX_CHAIN_WITHOUT_TURN,
  PQ_REFRESH_MESSAGES,
  PQ_REFRESH_MS,
  UNACKNOWLEDGED_SESSION_MS,
  YOUNG_SESSION_MS,
} from '#crypto/constants.ts';
import { chooseSession, handshakeNeed, packetKind, type Session, type SessionSet } from '#crypto/session.ts';
import { toHex } from '#crypto/bytes.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeEnd, open, peek, receive, send, type End } from '../support/pairs.ts';
import { NOW } from '../support/people.ts';

function pair(units = 12): { ada: End; bob: End } {
  return { ada: makeEnd('ada', { units }), bob: makeEnd('bob', { units }) };
}

function chosen(end: End): string {
  return toHex(chooseSession(end.set!, end.now)!.th);
}

function withSession(set: SessionSet, index: number, change: Partial<Session>): SessionSet {
  return { ...set, sessions: set.sessions.map((s, i) => (i === index ? { ...s, ...change } : s)) };
}

/** One lossless message each way; afterwards both must send on the same session. */
function expectConverged(ada: End, bob: End): void {
  expect(receive(bob, ada, send(ada, bob, 'ping'))).toBe('ping');
  expect(receive(ada, bob, send(bob, ada, 'pong'))).toBe('pong');
  expect(chosen(ada)).toBe(chosen(bob));
}

describe('choice of session', () => {
  it('A32 a first message repeated 50 times and out of order before any reply makes exactly one session', () => {
    const { ada, bob } = pair();
    const units = bob.prekeys.sets[0]!.units.length;
    const packets = Array.from({ length: 50 }, (_, i) => send(ada, bob, `m${i}`));
    expect(packets.every((p) => packetKind(p) === 'prekey')).toBe(true);
    const shuffled = packets.map((p, i) => ({ p, i })).sort((a, b) => ((a.i * 29) % 50) - ((b.i * 29) % 50));
    for (const { p, i } of shuffled) expect(receive(bob, ada, p)).toBe(`m${i}`);
    expect(bob.set!.sessions).toHaveLength(1);
    expect(bob.prekeys.sets[0]!.units).toHaveLength(units - 1);
    for (const p of packets) expectCode('replay', () => peek(bob, ada, p));
    receive(ada, bob, send(bob, ada, 'reply'));
    expect(packetKind(send(ada, bob, 'short now'))).toBe('ratchet');
  });

  it('A32 under the last-resort key too', () => {
    const { ada, bob } = pair(0);
    const packets = Array.from({ length: 50 }, (_, i) => send(ada, bob, `m${i}`));
    for (const [i, p] of [...packets.entries()].reverse()) expect(receive(bob, ada, p)).toBe(`m${i}`);
    expect(bob.set!.sessions).toHaveLength(1);
    expect(bob.prekeys.sets[0]!.lastResortSeen).toHaveLength(1);
  });

  const schedules: Record<string, (ada: End, bob: End) => void> = {
    'both openings cross': (ada, bob) => {
      const a = send(ada, bob, 'a');
      const b = send(bob, ada, 'b');
      expect(receive(bob, ada, a)).toBe('a');
      expect(receive(ada, bob, b)).toBe('b');
    },
    'one opening is lost': (ada, bob) => {
      send(ada, bob, 'lost');
      const b = send(bob, ada, 'b');
      expect(receive(ada, bob, b)).toBe('b');
      expect(receive(bob, ada, send(ada, bob, 'a'))).toBe('a');
    },
    'replies cross after the openings crossed': (ada, bob) => {
      const a = send(ada, bob, 'a');
      const b = send(bob, ada, 'b');
      receive(bob, ada, a);
      receive(ada, bob, b);
      const a2 = send(ada, bob, 'a2');
      const b2 = send(bob, ada, 'b2');
      expect(receive(ada, bob, b2)).toBe('b2');
      expect(receive(bob, ada, a2)).toBe('a2');
    },
    'one opening arrives long after a conversation began': (ada, bob) => {
      const late = send(ada, bob, 'late');
      const b = send(bob, ada, 'b');
      receive(ada, bob, b);
      const packets = [1, 2, 3].map((i) => send(ada, bob, `a${i}`));
      for (const [i, p] of packets.entries()) expect(receive(bob, ada, p)).toBe(`a${i + 1}`);
      receive(ada, bob, send(bob, ada, 'b2'));
      expect(receive(bob, ada, late)).toBe('late');
    },
    'both open twice and everything arrives in reverse': (ada, bob) => {
      const fromAda: Uint8Array[] = [];
      const fromBob: Uint8Array[] = [];
      for (let i = 0; i < 2; i++) {
        open(ada, bob);
        open(bob, ada);
        fromAda.push(send(ada, bob, `a${i}`));
        fromBob.push(send(bob, ada, `b${i}`));
      }
      for (const i of [1, 0]) expect(receive(bob, ada, fromAda[i]!)).toBe(`a${i}`);
      for (const i of [1, 0]) expect(receive(ada, bob, fromBob[i]!)).toBe(`b${i}`);
    },
  };

  for (const [name, run] of Object.entries(schedules)) {
    it(`A33 simultaneous initiation converges: ${name}`, () => {
      const { ada, bob } = pair();
      run(ada, bob);
      expectConverged(ada, bob);
      expectConverged(ada, bob);
    });
  }

  it('A33 of several young answered sessions the lowest sid is chosen', () => {
    for (let round = 0; round < 4; round++) {
      const { ada, bob } = pair();
      for (let i = 0; i <= round; i++) open(ada, bob);
      const [a, b] = [send(ada, bob, 'a'), send(bob, ada, 'b')];
      receive(bob, ada, a);
      receive(ada, bob, b);
      expectConverged(ada, bob);
      const answered = bob.set!.sessions.filter((s) => s.receivedOrder > 0).map((s) => toHex(s.sid));
      expect(toHex(chooseSession(bob.set!, bob.now)!.sid)).toBe(answered.sort()[0]);
    }
  });

  it('A33 random schedules with loss, reordering and repeats converge, and every packet that arrives opens', () => {
    const step = fc.record({
      who: fc.boolean(),
      act: fc.constantFrom('send', 'send', 'deliver', 'deliver', 'drop', 'open', 'repeat'),
      pick: fc.nat(7),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 24 }), (steps) => {
        const { ada, bob } = pair(3);
        runSchedule(ada, bob, steps);
        expectConverged(ada, bob);
      }),
      { numRuns: 40 },
    );
  });

  it('A48 two sessions with one sid: each message finds its own, the other is untouched', () => {
    const { ada, bob } = pair();
    receive(bob, ada, send(ada, bob, 'first'));
    open(ada, bob);
    receive(bob, ada, send(ada, bob, 'second'));
    const sid = ada.set!.sessions[0]!.sid;
    ada.set = withSession(ada.set!, 1, { sid });
    bob.set = withSession(bob.set!, 1, { sid });
    for (const index of [0, 1, 1, 0]) {
      const only = { ...bob.set, sessions: [bob.set.sessions[index]!] };
      const packet = send({ ...bob, set: only }, ada, `over ${index}`);
      const before = structuredClone(ada.set.sessions[1 - index]);
      const result = peek(ada, bob, packet);
      expect(new TextDecoder().decode(result.packet.payload)).toBe(`over ${index}`);
      expect(result.record.sessions[1 - index]).toEqual(before);
    }
  });

  it('A48 with a colliding sid a forged packet fails against every session and changes none', () => {
    const { ada, bob } = pair();
    for (let i = 0; i < 4; i++) {
      open(ada, bob, 'all');
      receive(bob, ada, send(ada, bob, `${i}`));
      receive(ada, bob, send(bob, ada, `${i}`));
    }
    const { sid } = bob.set!.sessions[0]!;
    for (const end of [ada, bob])
      end.set = { ...end.set!, sessions: end.set!.sessions.map((s) => ({ ...s, sid })) };
    const packet = send(ada, bob, 'x');
    const forged = packet.with(packet.length - 1, packet.at(-1)! ^ 1);
    const before = structuredClone(bob.set);
    expect(() => peek(bob, ada, forged)).toThrow();
    expect(bob.set).toEqual(before);
    expect(receive(bob, ada, packet)).toBe('x');
  });
});

type Step = { readonly who: boolean; readonly act: string; readonly pick: number };

function runSchedule(ada: End, bob: End, steps: readonly Step[]): void {
  const wires = new Map<End, { packet: Uint8Array; text: string; seen: boolean }[]>([
    [ada, []],
    [bob, []],
  ]);
  let count = 0;
  for (const { who, act, pick } of steps) {
    const [from, to] = who ? [ada, bob] : [bob, ada];
    const wire = wires.get(from)!;
    const at = wire.length === 0 ? 0 : pick % wire.length;
    const item = wire[at];
    if (act === 'open' && pick < 3) open(from, to);
    if (act === 'send') {
      const text = `t${count++}`;
      wire.push({ packet: send(from, to, text), text, seen: false });
    }
    if (!item) continue;
    if (act === 'drop') wire.splice(at, 1);
    if (act === 'deliver' || act === 'repeat') {
      if (item.seen) expectCode('replay', () => peek(to, from, item.packet));
      else expect(receive(to, from, item.packet)).toBe(item.text);
      item.seen = true;
      if (act === 'deliver') wire.splice(at, 1);
    }
  }
  for (const [from, wire] of wires) {
    const to = from === ada ? bob : ada;
    for (const { packet, text, seen } of wire) if (!seen) expect(receive(to, from, packet)).toBe(text);
  }
}

describe('ageing of sessions', () => {
  it('asks for a first handshake, and for a new one when nobody answered for 14 days', () => {
    const { ada, bob } = pair();
    expect(handshakeNeed(null, NOW)).toBe('required');
    send(ada, bob, 'x');
    expect(handshakeNeed(ada.set, NOW + UNACKNOWLEDGED_SESSION_MS - 1)).toBe('none');
    ada.now = NOW + UNACKNOWLEDGED_SESSION_MS;
    expect(handshakeNeed(ada.set, ada.now)).toBe('required');
    expectCode('unknown_session', () => send(ada, bob, 'y'));
    open(ada, bob);
    bob.now = ada.now;
    expect(receive(bob, ada, send(ada, bob, 'z'))).toBe('z');
  });

  it('asks for a post-quantum refresh after 7 days, and sends on the new session from then on', () => {
    const { ada, bob } = pair();
    expectConverged(ada, bob);
    const old = chosen(ada);
    ada.now = bob.now = NOW + PQ_REFRESH_MS - 1;
    expect(handshakeNeed(ada.set, ada.now)).toBe('none');
    ada.now = bob.now = NOW + PQ_REFRESH_MS;
    expect(handshakeNeed(ada.set, ada.now)).toBe('refresh');
    const straggler = send(bob, ada, 'still works');
    open(ada, bob);
    expect(chosen(ada)).not.toBe(old);
    expect(receive(ada, bob, straggler)).toBe('still works');
    expectConverged(ada, bob);
    expect(chosen(bob)).not.toBe(old);
    expect(handshakeNeed(ada.set, ada.now)).toBe('none');
  });

  it('asks for a refresh after 500 messages, and the other side follows although the old session is young', () => {
    for (const lower of [true, false]) {
      const { ada, bob } = pair();
      expectConverged(ada, bob);
      const old = ada.set!.sessions[0]!.sid[0]!;
      for (let i = ada.set!.sessions[0]!.sent; i < PQ_REFRESH_MESSAGES; i++) {
        expect(handshakeNeed(ada.set, ada.now)).toBe('none');
        receive(bob, ada, send(ada, bob, `${i}`));
      }
      expect(handshakeNeed(ada.set, ada.now)).toBe('refresh');
      do open(ada, bob);
      while (lower !== ada.set!.sessions.at(-1)!.sid[0]! < old && ada.set!.sessions.length < 9);
      expectConverged(ada, bob);
      expect(ada.set!.sessions.findIndex((s) => toHex(s.th) === chosen(bob))).toBeGreaterThan(0);
    }
  });

  it('requires a handshake when a chain of 5000 found no answer', () => {
    const { ada, bob } = pair();
    send(ada, bob, 'x');
    const session = ada.set!.sessions[0]!;
    const full = { ...session.ratchet.sending!, n: MAX_CHAIN_WITHOUT_TURN - 1 };
    ada.set = withSession(ada.set!, 0, { ratchet: { ...session.ratchet, sending: full } });
    send(ada, bob, 'the last one');
    expect(handshakeNeed(ada.set, ada.now)).toBe('required');
    expectCode('unknown_session', () => send(ada, bob, 'y'));
  });

  it('prefers the session last decrypted on once none is young', () => {
    const { ada, bob } = pair();
    const first = send(ada, bob, 'a');
    receive(ada, bob, send(bob, ada, 'b'));
    receive(bob, ada, first);
    expectConverged(ada, bob);
    ada.now = bob.now = NOW + YOUNG_SESSION_MS;
    const [a, b] = bob.set!.sessions as [Session, Session];
    const last = a.receivedOrder > b.receivedOrder ? a : b;
    expect(chosen(bob)).toBe(toHex(last.th));
    expectConverged(ada, bob);
  });

  it('keeps one session to send on and eight others, and forgets the longest idle first', () => {
    const { ada, bob } = pair(12);
    const packets: Uint8Array[] = [];
    for (let i = 0; i < 12; i++) {
      ada.now = bob.now = NOW + i;
      open(ada, bob);
      packets.push(send(ada, bob, `${i}`));
      receive(bob, ada, packets[i]!);
      expect(bob.set!.sessions.length).toBeLessThanOrEqual(MAX_ARCHIVED_SESSIONS + 1);
    }
    expect(bob.set!.sessions).toHaveLength(9);
    expect(ada.set!.sessions).toHaveLength(9);
    expect(ada.set!.sessions.map((s) => s.createdAt - NOW)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expectCode('unknown_prekey', () => peek(bob, ada, packets[0]!));
  });

  it('forgets idle sessions after 30 days, never the one to send on', () => {
    const { ada, bob } = pair();
    expectConverged(ada, bob);
    ada.now = bob.now = NOW + PQ_REFRESH_MS;
    open(ada, bob);
    expectConverged(ada, bob);
    expect(ada.set!.sessions).toHaveLength(2);
    ada.now = bob.now = ada.now + ARCHIVED_SESSION_LIFETIME_MS;
    receive(bob, ada, send(ada, bob, 'x'));
    expect(ada.set!.sessions).toHaveLength(1);
    expect(bob.set!.sessions).toHaveLength(1);
    const much = ada.now + 10 * ARCHIVED_SESSION_LIFETIME_MS;
    expect(chooseSession(ada.set!, much)).not.toBeNull();
  });

  it('keeps the session to send on even when an older one is the only one in use for 30 days', () => {
    const { ada, bob } = pair();
    expectConverged(ada, bob);
    const straggler = send(bob, ada, 'from the old session');
    ada.now = bob.now = NOW + PQ_REFRESH_MS;
    open(ada, bob);
    expectConverged(ada, bob);
    const current = chosen(ada);
    ada.now = ada.now + ARCHIVED_SESSION_LIFETIME_MS;
    expect(receive(ada, bob, straggler)).toBe('from the old session');
    expect(ada.set!.sessions).toHaveLength(2);
    expect(chosen(ada)).toBe(current);
  });

  it('retires every session when the peer reports that it lost them', () => {
    const { ada, bob } = pair();
    expectConverged(ada, bob);
    bob.set = null;
    expectCode('unknown_session', () => peek(bob, ada, send(ada, bob, 'x')));
    open(ada, bob, 'all');
    expectConverged(ada, bob);
    expectConverged(ada, bob);
  });
});
