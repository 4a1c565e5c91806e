// Somebody lost every door and every device and starts over under the same account id. What the two identities share:
// the account id and nothing else. The server's half: test/server/auth/identity-reset.test.ts; people's half:
// test/client/sync/starting-over.test.ts.
import { describe, expect, it } from 'vitest';
import {
  createAddDevice,
  createGenesis,
  extendAccountLog,
  findDevice,
  identityResetPolicy,
  openAccountLog,
  rootFingerprint,
} from '#crypto/account-log.ts';
import {
  acceptBackupManifest,
  backupId,
  openBackupEntry,
  sealBackupEntry,
  signBackupManifest,
} from '#crypto/backup.ts';
import { appendLeaves, EMPTY_FRONTIER, merkleLeaf, merkleRoot } from '#crypto/merkle.ts';
import { newKdfParams } from '#crypto/password.ts';
import { ed25519KeyPair } from '#crypto/primitives.ts';
import { newRecoveryCode, recoveryAuthSecret } from '#crypto/recovery-code.ts';
import { safetyHalf } from '#crypto/safety-number.ts';
import { createVault, openVault, vaultHeader, type VaultKey } from '#crypto/vault.ts';
import { expectCode } from '../support/expect-code.ts';
import { addDevice, makeAccount, NOW, type TestAccount } from '../support/people.ts';

/** An account with its doors and one entry of backup. */
function withDoors(account: TestAccount, password: Extract<VaultKey, { kind: 'password' }>) {
  const { rng, log, root } = account;
  const backup = { aid: log.aid, version: 1, key: rng.bytes(32) };
  const secrets = {
    accountId: log.accountId,
    rootSecret: root.secretKey,
    backupKey: backup.key,
    backupVersion: 1,
  };
  const code = { kind: 'code', code: newRecoveryCode(rng) } as const;
  const vault = createVault(secrets, { code: code.code, password }, rng);
  const id = backupId(backup, 1, new Uint8Array(16));
  const entry = sealBackupEntry(backup, { kind: 1, id, payload: new Uint8Array(40) }, rng);
  const tree = appendLeaves(EMPTY_FRONTIER, [merkleLeaf(entry)]);
  const { deviceId, signing } = account.devices[0]!.secrets;
  const fields = { aid: log.aid, version: 1, count: 1, root: merkleRoot(tree), createdAt: NOW, deviceId };
  const manifest = signBackupManifest(fields, signing.secretKey);
  return { ...account, code, vault, backup, entry, manifest };
}

/** The same account id, everything else anew. */
function begunAnew(account: TestAccount): TestAccount {
  const { rng } = account;
  const root = ed25519KeyPair(rng);
  const genesis = createGenesis({ accountId: account.log.accountId, root, createdAt: NOW + 1 }, rng);
  return addDevice({ rng, root, entries: [genesis], log: openAccountLog([genesis]), devices: [] }).account;
}

describe('A87 lost-everything path yields exactly the documented state', () => {
  const base = makeAccount('lost', 2);
  const lostPassword = {
    kind: 'password',
    slotKey: base.rng.bytes(32),
    params: newKdfParams(base.rng),
  } as const;
  const newPassword = {
    kind: 'password',
    slotKey: base.rng.bytes(32),
    params: newKdfParams(base.rng),
  } as const;
  const before = withDoors(base, lostPassword);
  const after = withDoors(begunAnew(base), newPassword);

  it('A87 keeps the account id; root, AID, safety number, devices and recovery code are others', () => {
    expect(after.log.accountId).toEqual(before.log.accountId);
    expect(after.log.aid).not.toEqual(before.log.aid);
    expect(after.log.rootPub).not.toEqual(before.log.rootPub);
    expect(rootFingerprint(after.log.rootPub)).not.toEqual(rootFingerprint(before.log.rootPub));
    expect(safetyHalf(after.log)).not.toBe(safetyHalf(before.log));
    expect(recoveryAuthSecret(after.code.code)).not.toEqual(recoveryAuthSecret(before.code.code));
    for (const { cert } of before.devices) expect(findDevice(after.log, cert.deviceId)).toBeNull();
    expect(vaultHeader(after.vault)).toMatchObject({ aid: after.log.aid, revision: 1 });
  });

  it('A87 tells everybody who knew the account: a reset whichever log comes second, held or blocked', () => {
    expectCode('identity_reset', () => extendAccountLog(before.log, after.entries));
    expectCode('identity_reset', () => extendAccountLog(after.log, before.entries));
    expect([identityResetPolicy(false), identityResetPolicy(true)]).toEqual(['hold', 'block']);
    expect(openAccountLog(after.entries)).toEqual(after.log);
  });

  it('A87 closes the past for good: no new door opens the old vault, no old door the new one, in no exchange', () => {
    const [old, now] = [
      { aid: before.log.aid, minRevision: 0 },
      { aid: after.log.aid, minRevision: 0 },
    ];
    expectCode('bad_mac', () => openVault(before.vault, after.code, old));
    expectCode('mismatch', () => openVault(before.vault, newPassword, old));
    expectCode('bad_mac', () => openVault(after.vault, before.code, now));
    expectCode('mismatch', () => openVault(after.vault, lostPassword, now));
    // A server that hands out the old vault for the new identity, or the other way round.
    expectCode('mismatch', () => openVault(before.vault, before.code, now));
    expectCode('mismatch', () => openVault(after.vault, after.code, old));
    expect(openVault(after.vault, after.code, now).secrets.backupKey).toEqual(after.backup.key);
  });

  it('A87 begins a backup of its own: the old entries and manifests are none of it', () => {
    expectCode('bad_mac', () => openBackupEntry(after.backup, before.entry));
    // Neither with the old key under the new identity.
    expectCode('bad_mac', () => openBackupEntry({ ...before.backup, aid: after.log.aid }, before.entry));
    expectCode('unknown_device', () => acceptBackupManifest(before.manifest, after.log));
    expect(acceptBackupManifest(after.manifest, after.log).count).toBe(1);
    expect(openBackupEntry(after.backup, after.entry).payload).toHaveLength(40);
  });

  it('A87 takes no device along: an old certificate is of another account, an old root signs nothing', () => {
    const [old] = before.devices;
    const byNew = { kind: 'root', secretKey: after.root.secretKey } as const;
    expectCode('mismatch', () => createAddDevice(after.log, old!.cert, byNew));
    const byOld = { kind: 'root', secretKey: before.root.secretKey } as const;
    expectCode('bad_signature', () => createAddDevice(after.log, after.devices[0]!.cert, byOld));
  });
});
