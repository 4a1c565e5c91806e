// A95: every decoder of identity, prekeys and vault under 100,000 mutations. A97: errors never quote their input.
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createRevokeDevice, extendAccountLog, openAccountLog } from '#crypto/account-log.ts';
import { decodeLogEntry } from '#crypto/log-entry.ts';
import { fromHex, toBase64Url, toHex, utf8 } from '#crypto/bytes.ts';
import { decodeAll, Reader } from '#crypto/codec.ts';
import { verifyDeviceCert } from '#crypto/device.ts';
import { readLogHead } from '#crypto/log-head.ts';
import { newKdfParams, readKdfParams } from '#crypto/password.ts';
import { EMPTY_PREKEY_RECORD, makePrekeySet } from '#crypto/prekey-store.ts';
import { decodeOneTimeUnit, decodePrekeySet, verifyClaimedPrekeys } from '#crypto/prekeys.ts';
import {
  aeadOpen,
  ed25519Verify,
  importEd25519,
  importKem,
  importX25519,
  kemDecaps,
} from '#crypto/primitives.ts';
import { newRecoveryCode, normalizeRecoveryCode } from '#crypto/recovery-code.ts';
import { createVault, openVault, vaultHeader } from '#crypto/vault.ts';
import { Writer } from '#crypto/codec.ts';
import { writeKdfParams } from '#crypto/password.ts';
import { fuzzDecoder } from '../support/fuzz.ts';
import { makeAccount, NOW } from '../support/people.ts';

const ada = makeAccount('fuzz', 2);
const { secrets, cert } = ada.devices[0]!;
const root = { kind: 'root', secretKey: ada.root.secretKey } as const;
const revoke = createRevokeDevice(ada.log, { deviceId: ada.devices[1]!.cert.deviceId, reason: 'lost' }, root);
const upload = makePrekeySet(EMPTY_PREKEY_RECORD, { device: secrets, now: NOW, units: 1 }, ada.rng).pending!;
const password = { kind: 'password', slotKey: ada.rng.bytes(32), params: newKdfParams(ada.rng) } as const;
const content = {
  accountId: ada.log.accountId,
  rootSecret: ada.root.secretKey,
  backupKey: ada.rng.bytes(32),
  backupVersion: 1,
};
const vault = createVault(content, { code: newRecoveryCode(ada.rng), password }, ada.rng);
const kdf = new Writer();
writeKdfParams(kdf, password.params);
const head = new Writer().u32(5).fixed(ada.log.headHash, 32).done();

describe('A95 decoders', () => {
  it.each<[string, (bytes: Uint8Array) => unknown, Uint8Array | Uint8Array[]]>([
    ['log entry', decodeLogEntry, [...ada.entries, revoke]],
    ['prekey set', decodePrekeySet, upload.set],
    ['one-time unit', decodeOneTimeUnit, upload.units[0]!],
    ['vault', vaultHeader, vault],
    ['kdf parameters', (bytes) => decodeAll(bytes, readKdfParams), kdf.done()],
    ['log head', (bytes) => decodeAll(bytes, readLogHead), head],
  ])('A95 %s: 100,000 mutations, only CryptoError', (name, decode, samples) => {
    expect(fuzzDecoder(name, decode, samples).runs).toBe(100_000);
  });

  it.each<[string, (bytes: Uint8Array) => unknown, Uint8Array | Uint8Array[]]>([
    ['certificate with its signature', verifyDeviceCert, cert.encoded],
    [
      'log with signatures',
      (bytes) => extendAccountLog(openAccountLog(ada.entries.slice(0, 1)), [bytes]),
      ada.entries[1]!,
    ],
    [
      'claim with signatures',
      (bytes) =>
        verifyClaimedPrekeys({ set: bytes, unit: null }, { device: cert, serverTime: NOW, knownSetId: 0 }),
      upload.set,
    ],
    ['vault opened', (bytes) => openVault(bytes, password, { aid: ada.log.aid, minRevision: 0 }), vault],
  ])('A95 %s: no changed byte is accepted', (name, verify, sample) => {
    const originals = new Set((sample instanceof Uint8Array ? [sample] : sample).map(toHex));
    const strict = (bytes: Uint8Array) => {
      verify(bytes);
      if (!originals.has(toHex(bytes))) throw new Error('accepted a changed structure');
    };
    expect(fuzzDecoder(name, strict, sample, 1500).runs).toBe(1500);
  });

  it.each<[string, (bytes: Uint8Array) => unknown, Uint8Array]>([
    ['import x25519', importX25519, cert.dhPub],
    ['import kem', importKem, decodePrekeySet(upload.set).lastResortKem],
    [
      'recovery code',
      (bytes) => normalizeRecoveryCode(Buffer.from(bytes).toString('latin1')),
      utf8(newRecoveryCode(ada.rng)),
    ],
  ])('A95 %s: 100,000 mutations', (name, check, sample) => {
    expect(fuzzDecoder(name, check, sample).runs).toBe(100_000);
  });

  it('A95 import ed25519: 2,000 mutations', () => {
    expect(fuzzDecoder('import ed25519', importEd25519, cert.signingPub, 2000).runs).toBe(2000);
  });
});

describe('A97 secrets stay out of errors', () => {
  const canary = 'c0ffee00deadbeefc0ffee00deadbeefc0ffee00deadbeefc0ffee00deadbeef';
  const secret = fromHex(canary);
  const long = Uint8Array.from({ length: 1200 }, (_, i) => secret[i % 32]!);

  it.each<[string, () => unknown]>([
    ['an AEAD that does not open', () => aeadOpen(secret, secret.slice(0, 12), long, secret)],
    ['a bad AEAD key', () => aeadOpen(long, secret, long, secret)],
    ['a bad Ed25519 key', () => importEd25519(long)],
    ['a bad X25519 key', () => importX25519(fromHex(`${canary.slice(2)}ff`))],
    ['a bad KEM key', () => importKem(long)],
    ['a bad KEM seed', () => kemDecaps(secret, long)],
    ['a log entry', () => decodeLogEntry(long.slice(0, 300))],
    ['a vault', () => vaultHeader(long)],
    [
      'a vault key',
      () => openVault(vault, { ...password, slotKey: secret }, { aid: ada.log.aid, minRevision: 0 }),
    ],
    ['a recovery code', () => normalizeRecoveryCode(canary)],
    ['a hex string', () => fromHex(`${canary}!`)],
    ['a reader', () => new Reader(long).utf8(9000)],
    ['a signature', () => ed25519Verify(secret, long, long) || fromHex('!')],
  ])('A97 %s', (_name, act) => {
    let text = '';
    try {
      act();
    } catch (error) {
      const e = error as Error;
      text = [e.message, e.stack, JSON.stringify(e), inspect(e)].join('\n').toLowerCase();
    }
    expect(text).not.toBe('');
    for (const needle of [
      toHex(secret.slice(0, 4)),
      toBase64Url(secret).slice(0, 6).toLowerCase(),
      '192, 255, 238',
      '192,255,238',
    ]) {
      expect(text).not.toContain(needle);
    }
  });
});
