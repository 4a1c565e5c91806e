// Prekey sets and one-time units as a claimer and the server check them (protocol 3.4, P5).
import { describe, expect, it } from 'vitest';
import { concat } from '#crypto/bytes.ts';
import { Writer } from '#crypto/codec.ts';
import { PREKEY_CLOCK_SKEW_MS, PREKEY_SET_MAX_LIFETIME_MS } from '#crypto/constants.ts';
import { EMPTY_PREKEY_RECORD, makePrekeySet } from '#crypto/prekey-store.ts';
import {
  signOneTimeUnit,
  signPrekeySet,
  verifyClaimedPrekeys,
  verifyOneTimeUnit,
  verifyPrekeySet,
  verifyPrekeyUpload,
  type NewPrekeySet,
} from '#crypto/prekeys.ts';
import { H, kemKeyPair, sign, x25519KeyPair } from '#crypto/primitives.ts';
import { BAD_KEM, BAD_X25519 } from '../support/bad-keys.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeAccount, NOW } from '../support/people.ts';

const bob = makeAccount('bob', 2);
const { secrets, cert } = bob.devices[0]!;
const other = bob.devices[1]!;
const record = makePrekeySet(EMPTY_PREKEY_RECORD, { device: secrets, now: NOW, units: 4 }, bob.rng);
const upload = record.pending!;
const second = makePrekeySet(record, { device: secrets, now: NOW + 1, units: 2 }, bob.rng).pending!;
const check = { device: cert, serverTime: NOW, knownSetId: 0 };

const honest: NewPrekeySet = {
  setId: 1,
  signedPrekey: x25519KeyPair(bob.rng).publicKey,
  lastResortKem: kemKeyPair(bob.rng).publicKey,
  createdAt: NOW,
  notAfter: NOW + 1000,
};
const unitOf = (setId: number, id: number) => ({
  setId,
  id,
  dhPub: x25519KeyPair(bob.rng).publicKey,
  kemPub: kemKeyPair(bob.rng).publicKey,
});
const set = verifyPrekeySet(upload.set, check);

/** A set or unit whose first two bytes are replaced before it is signed. */
function resigned(encoded: Uint8Array, label: string, header: readonly [number, number]): Uint8Array {
  const fields = encoded.slice(0, -64);
  fields.set(header, 0);
  return concat(fields, sign(secrets.signing.secretKey, label, fields));
}

describe('claimed prekeys', () => {
  it('verify with a one-time unit: its keys are the ones used', () => {
    const bundle = verifyClaimedPrekeys({ set: upload.set, unit: upload.units[2]! }, check);
    expect(bundle).toMatchObject({ setId: 1, device: cert, oneTime: { id: 2 } });
    expect(bundle.signedPrekey).toEqual(set.signedPrekey);
    expect(bundle.kemPub).not.toEqual(set.lastResortKem);
    expect(set.hash).toEqual(H(upload.set));
  });

  it('A28 without a unit the last-resort key is used and flagged: never a handshake without KEM', () => {
    const bundle = verifyClaimedPrekeys({ set: upload.set, unit: null }, check);
    expect(bundle.oneTime).toBeNull();
    expect(bundle.kemPub).toEqual(set.lastResortKem);
    expect(bundle.kemPub).toHaveLength(1184);
  });

  it('A30 refuses an older set than seen, an expired one, one from the future, one that lives too long', () => {
    expectCode('stale_record', () => verifyPrekeySet(upload.set, { ...check, knownSetId: 2 }));
    verifyPrekeySet(second.set, { ...check, knownSetId: 2 });
    const end = set.notAfter;
    expect(end - set.createdAt).toBe(PREKEY_SET_MAX_LIFETIME_MS);
    verifyPrekeySet(upload.set, { ...check, serverTime: end });
    expectCode('expired', () => verifyPrekeySet(upload.set, { ...check, serverTime: end + 1 }));
    verifyPrekeySet(upload.set, { ...check, serverTime: NOW - PREKEY_CLOCK_SKEW_MS });
    expectCode('expired', () =>
      verifyPrekeySet(upload.set, { ...check, serverTime: NOW - PREKEY_CLOCK_SKEW_MS - 1 }),
    );
    const long = signPrekeySet(secrets, { ...honest, notAfter: NOW + PREKEY_SET_MAX_LIFETIME_MS + 1 });
    expectCode('limit', () => verifyPrekeySet(long, check));
    const backwards = signPrekeySet(secrets, { ...honest, notAfter: NOW });
    expectCode('malformed', () => verifyPrekeySet(backwards, check));
    expectCode('malformed', () => verifyPrekeySet(signPrekeySet(secrets, { ...honest, setId: 0 }), check));
  });

  it('A22 refuses a set whose KEM key, signed prekey or any other byte was swapped', () => {
    const strangers = signPrekeySet(secrets, honest);
    for (const [from, to] of [
      [53, 53 + 1184], // last-resort KEM key
      [20, 20 + 32], // signed prekey
    ] as const) {
      const swapped = upload.set.slice();
      swapped.set(strangers.slice(from, to), from);
      expectCode('bad_signature', () => verifyPrekeySet(swapped, check));
    }
    for (let at = 0; at < upload.set.length; at += 7) {
      const bad = upload.set.slice();
      bad[at]! ^= 1 << (at % 8);
      expect(() => verifyPrekeySet(bad, check), `byte ${at}`).toThrow();
    }
  });

  it('A27 refuses a unit with a bad signature, another id, another set, another device', () => {
    const device = cert;
    const bad = upload.units[0]!.slice();
    bad[bad.length - 1]! ^= 1;
    expectCode('bad_signature', () => verifyOneTimeUnit(bad, set, device));
    const renumbered = upload.units[0]!.slice();
    renumbered[19] = 3; // id
    expectCode('bad_signature', () => verifyOneTimeUnit(renumbered, set, device));
    expectCode('mismatch', () => verifyOneTimeUnit(second.units[0]!, set, device));
    expectCode('mismatch', () =>
      verifyOneTimeUnit(signOneTimeUnit(other.secrets, unitOf(1, 0)), set, device),
    );
    const forged = signOneTimeUnit({ ...other.secrets, deviceId: secrets.deviceId }, unitOf(1, 0));
    expectCode('bad_signature', () => verifyOneTimeUnit(forged, set, device));
    expectCode('malformed', () => verifyOneTimeUnit(signOneTimeUnit(secrets, unitOf(1, 64)), set, device));
    expectCode('mismatch', () => verifyClaimedPrekeys({ set: upload.set, unit: second.units[1]! }, check));
  });
});

describe('structures', () => {
  it('A31 refuses another suite or version, well signed', () => {
    for (const header of [
      [1, 0],
      [1, 2],
      [0, 1],
      [2, 1],
    ] as const) {
      expectCode('unsupported', () => verifyPrekeySet(resigned(upload.set, 'prekey-set', header), check));
      const unit = resigned(upload.units[0]!, 'otk', header);
      expectCode('unsupported', () => verifyOneTimeUnit(unit, set, cert));
    }
  });

  it('A20 refuses signatures of another structure', () => {
    expectCode('bad_signature', () => verifyPrekeySet(resigned(upload.set, 'otk', [1, 1]), check));
    expectCode('bad_signature', () =>
      verifyOneTimeUnit(resigned(upload.units[0]!, 'prekey-set', [1, 1]), set, cert),
    );
    expectCode('malformed', () => verifyPrekeySet(upload.units[0]!, check));
    expectCode('malformed', () => verifyOneTimeUnit(upload.set, set, cert));
  });

  it('A21 refuses a KEM key offered as X25519 and the reverse, lengths right', () => {
    const { deviceId } = secrets;
    for (const [first, last] of [
      [3, 3],
      [2, 2],
      [1, 3],
    ] as const) {
      const w = new Writer().u8(1).u8(1).fixed(deviceId, 16).u32(1);
      w.u8(first).fixed(honest.signedPrekey, 32).u8(last).fixed(honest.lastResortKem, 1184);
      const fields = w
        .varint(NOW)
        .varint(NOW + 1)
        .done();
      const encoded = concat(fields, sign(secrets.signing.secretKey, 'prekey-set', fields));
      expectCode('malformed', () => verifyPrekeySet(encoded, check));
    }
  });

  it.each(BAD_X25519.filter(({ key }) => key.length === 32))('A14 refuses as prekeys: $name', ({ key }) => {
    expectCode('bad_key', () =>
      verifyPrekeySet(signPrekeySet(secrets, { ...honest, signedPrekey: key }), check),
    );
    const unit = signOneTimeUnit(secrets, { ...unitOf(1, 0), dhPub: key });
    expectCode('bad_key', () => verifyOneTimeUnit(unit, set, cert));
  });

  it.each(BAD_KEM.filter(({ key }) => key.length === 1184))('A14 refuses as KEM keys: $name', ({ key }) => {
    expectCode('bad_key', () =>
      verifyPrekeySet(signPrekeySet(secrets, { ...honest, lastResortKem: key }), check),
    );
    const unit = signOneTimeUnit(secrets, { ...unitOf(1, 0), kemPub: key });
    expectCode('bad_key', () => verifyOneTimeUnit(unit, set, cert));
  });

  it('A23 a set re-published under another device or account fails at its device id or signature', () => {
    const asOther = { ...check, device: other.cert };
    expectCode('mismatch', () => verifyPrekeySet(upload.set, asOther));
    const renamed = { ...cert, signingPub: other.cert.signingPub };
    expectCode('bad_signature', () => verifyPrekeySet(upload.set, { ...check, device: renamed }));
  });
});

describe('uploads', () => {
  it('verify whole, in the order units are handed out', () => {
    const verified = verifyPrekeyUpload(upload, check);
    expect(verified.units.map((unit) => unit.id)).toEqual([0, 1, 2, 3]);
    expect(verified.set).toEqual(set);
    expect(verifyPrekeyUpload({ set: upload.set, units: [] }, check).units).toEqual([]);
  });

  it('A27 refuse a repeated or unordered unit, one of another set, too many', () => {
    const [a, b] = [upload.units[0]!, upload.units[1]!];
    for (const units of [
      [a, a],
      [b, a],
    ])
      expectCode('malformed', () => verifyPrekeyUpload({ set: upload.set, units }, check));
    expectCode('mismatch', () =>
      verifyPrekeyUpload({ set: upload.set, units: [a, second.units[1]!] }, check),
    );
    const many = Array.from({ length: 65 }, () => a);
    expectCode('limit', () => verifyPrekeyUpload({ set: upload.set, units: many }, check));
  });
});
