// Asking for a new session: what is signed, what is refused, and how often (protocol 3.6).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '#crypto/bytes.ts';
import {
  RESEND_CLOCK_SKEW_MS,
  RESEND_EVERY_MS,
  RESEND_WINDOW_MS,
  RESENDS_PER_HOUR,
} from '#crypto/constants.ts';
import { CryptoError } from '#crypto/errors.ts';
import { decodePairwise, encodePairwise } from '#crypto/pairwise.ts';
import { nextResend, openResend, packetPlace, resendReason, signResend } from '#crypto/resend.ts';
import { RESEND_REASONS, type ResendRequest } from '#crypto/resend-request.ts';
import { overSession, person } from '../groups/group-people.ts';
import { expectCode } from '../support/expect-code.ts';
import { fuzzDecoder } from '../support/fuzz.ts';
import { makeEnd, receive, send } from '../support/pairs.ts';
import { makeAccount, NOW } from '../support/people.ts';
import { frozenVectors } from '../support/vectors.ts';

const ada = makeEnd('ada', { account: makeAccount('ada', 2) });
const bob = makeEnd('bob', { account: makeAccount('bob', 2) });
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const ends = (createdAt = NOW) => ({ from: at(bob), to: at(ada), createdAt });
const at = (end: typeof ada, device = 0) => ({
  aid: end.account.log.aid,
  deviceId: end.account.devices[device]!.secrets.deviceId,
});

const lost = send(ada, bob, 'lost');
const request: ResendRequest = { reason: 'broken', place: packetPlace(lost) };
const signed = signResend(bob.device.secrets, ends(), request);
const check = { cert: bob.device.cert, self: at(ada), seenAt: 0, now: NOW };

describe('signed resend requests', () => {
  it('name the packet that could not be read and why', () => {
    expect(openResend(signed, check)).toEqual({ ...request, createdAt: NOW });
    const without = { reason: 'unreadable', place: null } as const;
    const bare = signResend(bob.device.secrets, ends(), without);
    expect(openResend(bare, check)).toEqual({ ...without, createdAt: NOW });
    expect(signed.length).toBeLessThanOrEqual(221);
  });

  it('read the place out of an opening and of a message in a running session alike', () => {
    const opening = packetPlace(lost)!;
    receive(bob, ada, lost);
    receive(ada, bob, send(bob, ada, 'reply'));
    const running = packetPlace(send(ada, bob, 'next'))!;
    expect(toHex(running.sid)).toBe(toHex(opening.sid));
    expect([opening.n, running.n]).toEqual([0, 0]);
    expect(toHex(running.dhPub)).not.toBe(toHex(opening.dhPub));
    expect(packetPlace(fill(60, 0x11))).toBeNull();
    expect(packetPlace(new Uint8Array(0))).toBeNull();
  });

  it('A49 a request with any byte changed, cut or added is refused', () => {
    for (let i = 0; i < signed.length; i++) {
      const changed = signed.with(i, signed[i]! ^ 1);
      expect(() => openResend(changed, check)).toThrow(CryptoError);
    }
    for (let length = 0; length < signed.length; length++)
      expect(() => openResend(signed.subarray(0, length), check)).toThrow(CryptoError);
    const mutation = fc.record({ at: fc.nat(signed.length - 1), byte: fc.nat(255), more: fc.uint8Array() });
    fc.assert(
      fc.property(mutation, ({ at: position, byte, more }) => {
        const changed = Uint8Array.from([...signed.with(position, byte), ...more]);
        if (toHex(changed) === toHex(signed)) return;
        expect(() => openResend(changed, check)).toThrow(CryptoError);
      }),
    );
  });

  it('A49 a request signed by another device, or between others, is refused', () => {
    const [, other] = bob.account.devices;
    expectCode('mismatch', () => openResend(signed, { ...check, cert: other!.cert }));
    expectCode('mismatch', () => openResend(signed, { ...check, cert: ada.device.cert }));
    // the right names under another device's key
    const forged = signResend(other!.secrets, ends(), request);
    expectCode('bad_signature', () => openResend(forged, check));
    const stolen = { ...other!.cert, deviceId: bob.device.cert.deviceId };
    expectCode('bad_signature', () => openResend(signed, { ...check, cert: stolen }));
    expectCode('mismatch', () => openResend(signed, { ...check, self: at(ada, 1) }));
    expectCode('mismatch', () => openResend(signed, { ...check, self: at(bob) }));
    // its key is fine, what it says of itself is not
    const posing = signResend(bob.device.secrets, { ...ends(), from: at(bob, 1) }, request);
    expectCode('mismatch', () => openResend(posing, check));
    const account = { ...at(ada), aid: at(bob).aid };
    expectCode('mismatch', () =>
      openResend(signResend(bob.device.secrets, { ...ends(), to: account }, request), check),
    );
  });

  it('A49 a repeated request, an older one, and one from another time are refused', () => {
    expectCode('replay', () => openResend(signed, { ...check, seenAt: NOW }));
    expectCode('replay', () => openResend(signed, { ...check, seenAt: NOW + 1 }));
    expectCode('expired', () => openResend(signed, { ...check, now: NOW + RESEND_WINDOW_MS }));
    expectCode('expired', () => openResend(signed, { ...check, now: NOW - RESEND_CLOCK_SKEW_MS }));
    const later = { ...check, seenAt: NOW - 1, now: NOW + RESEND_WINDOW_MS - 1 };
    expect(openResend(signed, later).createdAt).toBe(NOW);
  });

  it('A95 bytes that are no request are refused', () => {
    let forged = 0;
    const open = (bytes: Uint8Array): void => {
      openResend(bytes, check);
      if (toHex(bytes) !== toHex(signed)) forged++;
    };
    fuzzDecoder('resend', open, signed, 2_000);
    expect(forged).toBe(0);
  });

  it('A50 a signature over a request counts for nothing else, and the reverse', () => {
    const [version, operation] = [signed.with(1, 2), signed.with(2, 2)];
    expectCode('unsupported', () => openResend(version, check));
    expectCode('unsupported', () => openResend(operation, check));
    expectCode('malformed', () => openResend(bob.device.cert.encoded, check));
  });
});

describe('limits of asking', () => {
  it('A49 one request a minute and six an hour; then a person has to look', () => {
    const times: number[] = [];
    const asked: number[] = [];
    for (let now = NOW; now < NOW + 3_600_000; now += 1000) {
      const next = nextResend(times, now);
      if (next === null || next > now) continue;
      times.push(now);
      asked.push(now);
    }
    expect(asked.map((time) => time - NOW)).toEqual(
      Array.from({ length: RESENDS_PER_HOUR }, (_, i) => i * RESEND_EVERY_MS),
    );
    expect(nextResend(times, NOW + 3_599_999)).toBeNull();
    expect(nextResend(times, NOW + 3_600_000)).toBe(NOW + 3_600_000);
    expect(nextResend([NOW], NOW + 1)).toBe(NOW + RESEND_EVERY_MS);
  });

  it('A49 asks for what cannot be decrypted, not for what a newer client or nobody wrote', () => {
    expect(resendReason('unknown_session')).toBe('unknown-session');
    expect(resendReason('replay')).toBe('used');
    expect(resendReason('bad_mac')).toBe('broken');
    for (const code of ['unsupported', 'revoked', 'unknown_device', 'fork'] as const)
      expect(resendReason(code)).toBeNull();
  });
});

describe('frozen vectors of resend', () => {
  it('control packet and payloads', () => {
    const carol = person('carol');
    const from = { aid: fill(32, 1), deviceId: fill(16, 2) };
    const to = { aid: fill(32, 3), deviceId: fill(16, 4) };
    const place = { sid: fill(8, 5), dhPub: fill(32, 6), n: 300 };
    const { secrets } = bob.device;
    const key = {
      eventId: fill(16, 7),
      contentKey: fill(32, 8),
      bodyHash: fill(32, 9),
      commit: fill(32, 10),
    };
    const payloads = [
      { kind: 'resend', reason: 'unknown-session', place },
      { kind: 'resend', reason: 'by-hand', place: null },
      { kind: 'dm-keys', keys: [key, { ...key, eventId: fill(16, 11) }] },
      { kind: 'dm-keys', keys: [] },
    ] as const;
    for (const payload of payloads)
      expect(decodePairwise(overSession(carol, encodePairwise(payload)))).toEqual(payload);
    const [over, byHand, keys, none] = payloads.map((payload) => toHex(encodePairwise(payload)));
    const bytes = {
      signingSecret: toHex(secrets.signing.secretKey),
      control: toHex(signResend(secrets, { from, to, createdAt: NOW }, { reason: 'too-far', place })),
      bare: toHex(signResend(secrets, { from, to, createdAt: NOW }, { reason: 'missing', place: null })),
      over,
      byHand,
      keys,
      none,
    };
    expect(bytes).toEqual(frozenVectors('resend.json', bytes));
    const cert = { ...bob.device.cert, ...from };
    const opened = openResend(fromHex(bytes.control), { cert, self: to, seenAt: 0, now: NOW });
    expect(opened).toEqual({ reason: 'too-far', place, createdAt: NOW });
    expect(RESEND_REASONS).toHaveLength(8);
  });
});
