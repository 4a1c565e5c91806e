// Device certificates and the attach signature (protocol 3.2, P9).
import { describe, expect, it } from 'vitest';
import { concat, equalBytes } from '#crypto/bytes.ts';
import { Writer } from '#crypto/codec.ts';
import { sameCert, signAttach, verifyAttach, verifyDeviceCert, type DeviceKind } from '#crypto/device.ts';
import { ed25519KeyPair, sign } from '#crypto/primitives.ts';
import { BAD_ED25519, BAD_X25519 } from '../support/bad-keys.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeAccount, makeDevice } from '../support/people.ts';

const ada = makeAccount('ada', 1);

interface RawCert {
  readonly v?: number;
  readonly tag?: number;
  readonly suites?: readonly number[];
  readonly flags?: number;
  readonly dsk?: Uint8Array;
  readonly ddk?: Uint8Array;
  readonly label?: string;
}

/** A certificate with any content, signed by the key it names (unless that key is not its signer's). */
function rawCert(raw: RawCert): Uint8Array {
  const { secrets, cert } = makeDevice(ada);
  const w = new Writer()
    .u8(raw.v ?? 1)
    .fixed(cert.aid, 32)
    .fixed(cert.deviceId, 16);
  w.u8(raw.tag ?? 1).fixed(raw.dsk ?? cert.signingPub, (raw.dsk ?? cert.signingPub).length);
  w.u8(2).fixed(raw.ddk ?? cert.dhPub, (raw.ddk ?? cert.dhPub).length);
  w.array(raw.suites ?? [1], 8, (out, suite) => void out.u8(suite));
  w.u8(raw.flags ?? 1).varint(cert.createdAt);
  const signature = sign(secrets.signing.secretKey, raw.label ?? 'device-cert', w.done());
  return concat(w.done(), signature);
}

describe('device certificate', () => {
  it.each<DeviceKind>(['full', 'bot', 'readonly'])('round trips for a %s device', (kind) => {
    const { cert, secrets } = makeDevice(ada, kind);
    const again = verifyDeviceCert(cert.encoded);
    expect(again).toEqual(cert);
    expect(sameCert(again, cert)).toBe(true);
    expect(again.kind).toBe(kind);
    expect(again.signingPub).toEqual(secrets.signing.publicKey);
    expect(again.dhPub).toEqual(secrets.dh.publicKey);
  });

  it('A31 refuses a device without suite 1, unknown versions and flags; tolerates further suites', () => {
    expect(verifyDeviceCert(rawCert({ suites: [1, 2] })).suites).toEqual([1, 2]);
    expectCode('unsupported', () => verifyDeviceCert(rawCert({ suites: [2] })));
    expectCode('unsupported', () => verifyDeviceCert(rawCert({ suites: [] })));
    expectCode('malformed', () => verifyDeviceCert(rawCert({ suites: [0, 1] })));
    expectCode('malformed', () => verifyDeviceCert(rawCert({ suites: [1, 1] })));
    expectCode('malformed', () => verifyDeviceCert(rawCert({ suites: [2, 1] })));
    for (const v of [0, 2, 255]) expectCode('unsupported', () => verifyDeviceCert(rawCert({ v })));
    for (const flags of [0, 3, 5, 8, 255])
      expectCode('unsupported', () => verifyDeviceCert(rawCert({ flags })));
  });

  it('A20 refuses the signature of another structure', () => {
    for (const label of ['acct-log', 'prekey-set', 'otk', 'chain-cert', 'attach', 'ctl', '']) {
      expectCode('bad_signature', () => verifyDeviceCert(rawCert({ label })));
    }
  });

  it('A21 refuses a key under another type tag', () => {
    for (const tag of [0, 2, 3, 4]) expectCode('malformed', () => verifyDeviceCert(rawCert({ tag })));
  });

  it.each(BAD_ED25519.filter(({ key }) => key.length === 32))('A13 refuses as DSK: $name', ({ key }) => {
    expectCode('bad_key', () => verifyDeviceCert(rawCert({ dsk: key })));
  });

  it.each(BAD_X25519.filter(({ key }) => key.length === 32))('A14 refuses as DDK: $name', ({ key }) => {
    expectCode('bad_key', () => verifyDeviceCert(rawCert({ ddk: key })));
  });

  it('A06 one flipped bit anywhere is refused', () => {
    const { encoded } = makeDevice(ada).cert;
    for (let at = 0; at < encoded.length; at++) {
      const bad = encoded.slice();
      bad[at]! ^= 1 << (at % 8);
      expect(() => verifyDeviceCert(bad), `byte ${at}`).toThrow();
    }
  });
});

describe('attach', () => {
  const { secrets, cert } = ada.devices[0]!;
  const request = { sessionId: new Uint8Array(16).fill(1), challenge: new Uint8Array(32).fill(2) };

  it('binds one session and one challenge to the device', () => {
    const signature = signAttach(secrets, request);
    expect(signature).toHaveLength(64);
    verifyAttach(cert, request, signature);
    const otherSession = { ...request, sessionId: new Uint8Array(16).fill(3) };
    const otherChallenge = { ...request, challenge: new Uint8Array(32).fill(3) };
    expectCode('bad_signature', () => verifyAttach(cert, otherSession, signature));
    expectCode('bad_signature', () => verifyAttach(cert, otherChallenge, signature));
    expectCode('bad_signature', () => verifyAttach(makeDevice(ada).cert, request, signature));
    expectCode('malformed', () => signAttach(secrets, { ...request, sessionId: new Uint8Array(15) }));
  });

  it('A20 refuses a signature the device made for another structure', () => {
    const fields = new Writer().u8(1).fixed(request.sessionId, 16).fixed(request.challenge, 32).done();
    expect(equalBytes(sign(secrets.signing.secretKey, 'attach', fields), signAttach(secrets, request))).toBe(
      true,
    );
    const other = sign(secrets.signing.secretKey, 'ctl', fields);
    expectCode('bad_signature', () => verifyAttach(cert, request, other));
    const stranger = sign(ed25519KeyPair(ada.rng).secretKey, 'attach', fields);
    expectCode('bad_signature', () => verifyAttach(cert, request, stranger));
  });
});
