// Vault v1: two doors, one content, nothing a server can swap (protocol 3.12).
import { describe, expect, it } from 'vitest';
import { accountIdentity } from '#crypto/account-log.ts';
import { utf8 } from '#crypto/bytes.ts';
import { randomId } from '#crypto/ids.ts';
import { newKdfParams } from '#crypto/password.ts';
import { ed25519KeyPair } from '#crypto/primitives.ts';
import { newRecoveryCode } from '#crypto/recovery-code.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import {
  createVault,
  hasSameSlots,
  openVault,
  resealVault,
  rewrapVault,
  vaultHeader,
  type VaultKey,
} from '#crypto/vault.ts';
import { expectCode } from '../support/expect-code.ts';

const rng = seededRng(utf8('vault'));

function passwordKey(): Extract<VaultKey, { kind: 'password' }> {
  return { kind: 'password', slotKey: rng.bytes(32), params: newKdfParams(rng) };
}
function makeVault() {
  const root = ed25519KeyPair(rng);
  const secrets = {
    accountId: randomId(rng),
    rootSecret: root.secretKey,
    backupKey: rng.bytes(32),
    backupVersion: 1,
  };
  const code = { kind: 'code', code: newRecoveryCode(rng) } as const;
  const password = passwordKey();
  const bytes = createVault(secrets, { code: code.code, password }, rng);
  const expected = { aid: accountIdentity(secrets.accountId, root.publicKey), minRevision: 1 };
  return { secrets, code, password, bytes, expected };
}

describe('vault', () => {
  it('opens through the code and through the password, with the same content', () => {
    const { secrets, code, password, bytes, expected } = makeVault();
    for (const key of [code, password]) expect(openVault(bytes, key, expected).secrets).toEqual(secrets);
    const slots = ['code', 'password'];
    expect(vaultHeader(bytes)).toEqual({ aid: expected.aid, vaultVersion: 1, revision: 1, slots });
    expect(bytes.length).toBeLessThan(4096);
  });

  it('two vaults of the same secrets share no nonce, key or ciphertext', () => {
    const { secrets, code, password, bytes } = makeVault();
    const again = createVault(secrets, { code: code.code, password }, rng);
    const half = (b: Uint8Array) => b.slice(-90).join();
    expect(half(again)).not.toBe(half(bytes));
  });

  it('refuses a wrong code and a wrong password', () => {
    const { password, bytes, expected } = makeVault();
    expectCode('bad_mac', () => openVault(bytes, { kind: 'code', code: newRecoveryCode(rng) }, expected));
    expectCode('bad_mac', () => openVault(bytes, { ...password, slotKey: rng.bytes(32) }, expected));
  });

  it('A85 refuses to open with other password parameters than the vault was made under', () => {
    const { password, bytes, expected } = makeVault();
    const params = { ...password.params, m: password.params.m * 2 };
    expectCode('mismatch', () => openVault(bytes, { ...password, params }, expected));
    const salt = { ...password.params, salt: rng.bytes(16) };
    expectCode('mismatch', () => openVault(bytes, { ...password, params: salt }, expected));
  });

  it('A85 refuses one flipped bit anywhere', () => {
    const { code, password, bytes, expected } = makeVault();
    for (let at = 0; at < bytes.length; at++) {
      const bad = bytes.slice();
      bad[at]! ^= 1 << (at % 8);
      for (const key of [code, password]) expect(() => openVault(bad, key, expected), `byte ${at}`).toThrow();
    }
  });

  it('A85 refuses the vault of another account and one that holds another root', () => {
    const ada = makeVault();
    const eve = makeVault();
    expectCode('mismatch', () => openVault(eve.bytes, eve.code, ada.expected));
    const secrets = { ...ada.secrets, rootSecret: eve.secrets.rootSecret };
    const opened = openVault(ada.bytes, ada.code, ada.expected);
    const swapped = resealVault(ada.bytes, { opened, secrets }, rng);
    expectCode('mismatch', () => openVault(swapped, ada.code, ada.expected));
  });
});

describe('changing the vault', () => {
  it('A86 a new password replaces its slot only: the code slot stays byte-identical and opens', () => {
    const { secrets, code, password, bytes, expected } = makeVault();
    const changed = passwordKey();
    const next = rewrapVault(bytes, { opened: openVault(bytes, password, expected), key: changed }, rng);
    expect(vaultHeader(next)).toMatchObject({ vaultVersion: 1, revision: 2 });
    // v, aid, version, revision, count, slot 0 = id, kind, empty params, nonce 24, wrapped 48
    expect(next.slice(36, 36 + 75)).toEqual(bytes.slice(36, 36 + 75));
    for (const key of [code, changed]) expect(openVault(next, key, expected).secrets).toEqual(secrets);
    expectCode('mismatch', () => openVault(next, password, expected));
    expectCode('bad_mac', () => openVault(next, { ...password, params: changed.params }, expected));
  });

  it('A86 recovery replaces both doors in one revision: the former code and password open nothing', () => {
    const { secrets, code, password, bytes, expected } = makeVault();
    const fresh = { kind: 'code', code: newRecoveryCode(rng) } as const;
    const changed = passwordKey();
    const opened = openVault(bytes, code, expected);
    const next = rewrapVault(bytes, { opened, key: [changed, fresh] }, rng);
    expect(vaultHeader(next)).toMatchObject({ revision: 2, slots: ['code', 'password'] });
    for (const key of [fresh, changed]) expect(openVault(next, key, expected).secrets).toEqual(secrets);
    expectCode('bad_mac', () => openVault(next, code, expected));
    expectCode('mismatch', () => openVault(next, password, expected));
    const mixed = next.slice();
    mixed.set(bytes.slice(36, 36 + 75), 36); // the used code's slot put back
    for (const key of [code, fresh, changed]) expectCode('bad_mac', () => openVault(mixed, key, expected));
  });

  it('A85 an old slot put back into a newer vault does not open it', () => {
    const { password, bytes, expected } = makeVault();
    const changed = passwordKey();
    const next = rewrapVault(bytes, { opened: openVault(bytes, password, expected), key: changed }, rng);
    expect(next).toHaveLength(bytes.length);
    const mixed = next.slice();
    mixed.set(bytes.slice(111, 111 + 100), 111); // the whole old password slot
    expectCode('bad_mac', () => openVault(mixed, password, expected));
  });

  it('A85 a rolled-back vault is refused by a client that saw a newer one', () => {
    const { code, password, bytes, expected } = makeVault();
    const opened = openVault(bytes, code, expected);
    const next = rewrapVault(bytes, { opened, key: passwordKey() }, rng);
    expectCode('stale_record', () => openVault(bytes, password, { ...expected, minRevision: 2 }));
    openVault(next, code, { ...expected, minRevision: 2 });
    expectCode('stale_record', () => rewrapVault(next, { opened, key: password }, rng));
    expectCode('stale_record', () => resealVault(next, { opened, secrets: opened.secrets }, rng));
  });

  it('a fresh recovery code replaces the old one; a rotated backup key reaches both doors', () => {
    const { secrets, code, password, bytes, expected } = makeVault();
    const fresh = { kind: 'code', code: newRecoveryCode(rng) } as const;
    const recoded = rewrapVault(bytes, { opened: openVault(bytes, password, expected), key: fresh }, rng);
    expectCode('bad_mac', () => openVault(recoded, code, expected));
    const rotated = { ...secrets, backupKey: rng.bytes(32), backupVersion: 2 };
    const opened = openVault(recoded, fresh, expected);
    const next = resealVault(recoded, { opened, secrets: rotated }, rng);
    for (const key of [fresh, password]) expect(openVault(next, key, expected).secrets).toEqual(rotated);
    expect(vaultHeader(next).revision).toBe(3);
    expect(hasSameSlots(recoded, next)).toBe(true);
    expect(hasSameSlots(bytes, next)).toBe(false);
    expect(hasSameSlots(makeVault().bytes, next)).toBe(false);
    // The vault of before the rotation, which the server still has: the newer one was seen here.
    expectCode('stale_record', () => openVault(recoded, password, { ...expected, minRevision: 3 }));
  });
});
