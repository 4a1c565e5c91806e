// Frozen vectors of our own structures: fixed randomness in, fixed bytes out. A change here is a break of the wire.
import { createPublicKey, verify as nodeVerify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  createAddDevice,
  createGenesis,
  createRevokeDevice,
  extendAccountLog,
  openAccountLog,
  rootFingerprint,
} from '#crypto/account-log.ts';
import { concat, fromHex, toBase64Url, toHex, utf8 } from '#crypto/bytes.ts';
import { generateDevice, signAttach, verifyDeviceCert } from '#crypto/device.ts';
import { randomId } from '#crypto/ids.ts';
import { derivePasswordKeys, newKdfParams } from '#crypto/password.ts';
import { EMPTY_PREKEY_RECORD, makePrekeySet } from '#crypto/prekey-store.ts';
import { verifyClaimedPrekeys } from '#crypto/prekeys.ts';
import { ed25519KeyPair } from '#crypto/primitives.ts';
import { newRecoveryCode, recoveryAuthSecret, recoverySlotKey } from '#crypto/recovery-code.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { createVault, openVault } from '#crypto/vault.ts';
import { frozenVectors } from '../support/vectors.ts';

const NOW = 1_790_000_000_000;
type Hex<T> = { readonly [K in keyof T]: string };
const hexed = <T extends Record<string, Uint8Array>>(values: T): Hex<T> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toHex(value)])) as Hex<T>;

function identity() {
  const rng = seededRng(utf8('frozen/identity'));
  const root = ed25519KeyPair(rng);
  const accountId = randomId(rng);
  const genesis = createGenesis({ accountId, root, createdAt: NOW }, rng);
  const log0 = openAccountLog([genesis]);
  const make = (kind: 'full' | 'bot') =>
    generateDevice({ aid: log0.aid, deviceId: randomId(rng), kind, createdAt: NOW + 1 }, rng);
  const first = make('full');
  const bot = make('bot');
  const addFirst = createAddDevice(log0, first.cert, { kind: 'root', secretKey: root.secretKey });
  const log1 = extendAccountLog(log0, [addFirst]);
  const signer = {
    kind: 'device',
    deviceId: first.secrets.deviceId,
    secretKey: first.secrets.signing.secretKey,
  } as const;
  const addBot = createAddDevice(log1, bot.cert, signer);
  const log2 = extendAccountLog(log1, [addBot]);
  const revokeBot = createRevokeDevice(log2, { deviceId: bot.cert.deviceId, reason: 'lost' }, signer);
  const log3 = extendAccountLog(log2, [revokeBot]);
  const request = { sessionId: rng.bytes(16), challenge: rng.bytes(32) };
  const attach = signAttach(first.secrets, request);
  return { rng, root, first, bot, request, genesis, addFirst, addBot, revokeBot, attach, log: log3 };
}

const made = identity();

describe('frozen vectors', () => {
  it('identity: log entries, certificates, attach', () => {
    const fresh = hexed({
      rootSecret: made.root.secretKey,
      rootPub: made.root.publicKey,
      accountId: made.log.accountId,
      aid: made.log.aid,
      rootFingerprint: rootFingerprint(made.root.publicKey),
      genesis: made.genesis,
      firstCert: made.first.cert.encoded,
      addFirst: made.addFirst,
      botCert: made.bot.cert.encoded,
      addBot: made.addBot,
      revokeBot: made.revokeBot,
      headHash: made.log.headHash,
      sessionId: made.request.sessionId,
      challenge: made.request.challenge,
      attach: made.attach,
    });
    const frozen = frozenVectors('identity.json', fresh);
    expect(fresh).toEqual(frozen);
    // Read back from the file alone.
    const entries = [frozen.genesis, frozen.addFirst, frozen.addBot, frozen.revokeBot].map(fromHex);
    const log = openAccountLog(entries);
    expect(toHex(log.headHash)).toBe(frozen.headHash);
    expect(Object.keys(log.devices)).toHaveLength(2);
  });

  it('identity signatures hold for Node’s own Ed25519 over the documented bytes', () => {
    const { encoded, signingPub } = verifyDeviceCert(made.first.cert.encoded);
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(signingPub) };
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const signed = concat(utf8('cl1/sig/device-cert\0'), encoded.slice(0, -64));
    expect(nodeVerify(null, signed, key, encoded.slice(-64))).toBe(true);
    const attachBytes = concat(
      utf8('cl1/sig/attach\0'),
      Uint8Array.of(1),
      made.request.sessionId,
      made.request.challenge,
    );
    expect(nodeVerify(null, attachBytes, key, made.attach)).toBe(true);
  });

  it('prekeys: set and units', () => {
    const rng = seededRng(utf8('frozen/prekeys'));
    const record = makePrekeySet(
      EMPTY_PREKEY_RECORD,
      { device: made.first.secrets, now: NOW + 2, units: 2 },
      rng,
    );
    const secrets = record.sets[0]!;
    const fresh = hexed({
      deviceCert: made.first.cert.encoded,
      set: record.pending!.set,
      unit0: record.pending!.units[0]!,
      unit1: record.pending!.units[1]!,
      setHash: secrets.setHash,
      spkSecret: secrets.spkSecret,
      lastResortSeed: secrets.lastResortSeed,
      unit1DhSecret: secrets.units[1]!.dhSecret,
      unit1KemSeed: secrets.units[1]!.kemSeed,
    });
    const frozen = frozenVectors('prekeys.json', fresh);
    expect(fresh).toEqual(frozen);
    const check = {
      device: verifyDeviceCert(fromHex(frozen.deviceCert)),
      serverTime: NOW + 2,
      knownSetId: 1,
    };
    const bundle = verifyClaimedPrekeys({ set: fromHex(frozen.set), unit: fromHex(frozen.unit1) }, check);
    expect(bundle.oneTime?.id).toBe(1);
  });

  it('vault: password split, recovery code, slots, payload', async () => {
    const rng = seededRng(utf8('frozen/vault'));
    const code = newRecoveryCode(rng);
    const params = newKdfParams(rng);
    const keys = await derivePasswordKeys('correct horse battery staple', params);
    const password = { kind: 'password', slotKey: keys.slotKey, params } as const;
    const secrets = {
      accountId: made.log.accountId,
      rootSecret: made.root.secretKey,
      backupKey: rng.bytes(32),
      backupVersion: 1,
    };
    const vault = createVault(secrets, { code, password }, rng);
    const fresh = {
      code,
      ...hexed({
        salt: params.salt,
        loginSecret: keys.loginSecret,
        slotKey: keys.slotKey,
        codeSlotKey: recoverySlotKey(code, made.log.aid),
        recoveryAuth: recoveryAuthSecret(code),
        backupKey: secrets.backupKey,
        vault,
      }),
    };
    const frozen = frozenVectors('vault.json', fresh);
    expect(fresh).toEqual(frozen);
    const key = { kind: 'code', code: frozen.code } as const;
    expect(openVault(fromHex(frozen.vault), key, { aid: made.log.aid, minRevision: 1 }).secrets).toEqual(
      secrets,
    );
  });
});
