// Frozen vectors of the backup: fixed randomness in, fixed bytes out. A change here is a break of the wire.
import { describe, expect, it } from 'vitest';
import { createBackupHead } from '#crypto/account-log.ts';
import {
  archiveDmKey,
  BACKUP_CHAIN,
  BACKUP_DM_KEYS,
  BACKUP_PEER,
  encodeChainArchive,
  encodeDmKeys,
  encodePeerState,
} from '#crypto/backup-kinds.ts';
import {
  backupHeadHash,
  backupId,
  openBackupEntry,
  sealBackupEntry,
  signBackupManifest,
} from '#crypto/backup.ts';
import { fromHex, toHex, utf8 } from '#crypto/bytes.ts';
import { appendLeaves, EMPTY_FRONTIER, merkleLeaf, merkleRoot } from '#crypto/merkle.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { makeAccount, NOW } from '../support/people.ts';
import { frozenVectors } from '../support/vectors.ts';

const hexed = (values: Record<string, Uint8Array>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toHex(value)]));

const rng = seededRng(utf8('frozen/backup'));
const account = makeAccount('frozen/backup', 1);
const { aid } = account.log;
const { deviceId, signing } = account.devices[0]!.secrets;

describe('frozen vectors', () => {
  it('backup: entries of every kind, tree, manifest, head in the log', () => {
    const key = { aid, version: 3, key: rng.bytes(32) };
    const sender = { aid, deviceId };
    const certHash = rng.bytes(32);
    const chain = encodeChainArchive({
      channelId: rng.bytes(16),
      owner: sender,
      chainId: rng.bytes(8),
      certHash,
      startIter: 300,
      chainKey: rng.bytes(32),
      historyUpTo: 70_000,
    });
    const bound = { sender, bodyHash: rng.bytes(32), commit: rng.bytes(32) };
    const dmKey = archiveDmKey({ ...bound, eventId: rng.bytes(16), contentKey: rng.bytes(32) });
    const dmKeys = encodeDmKeys([dmKey]);
    const peer = encodePeerState({ aid, record: utf8('a note') });
    const entries = [
      sealBackupEntry(
        key,
        { kind: BACKUP_CHAIN, id: backupId(key, BACKUP_CHAIN, certHash), payload: chain },
        rng,
      ),
      sealBackupEntry(key, { kind: BACKUP_DM_KEYS, id: rng.bytes(32), payload: dmKeys }, rng),
      sealBackupEntry(key, { kind: BACKUP_PEER, id: backupId(key, BACKUP_PEER, aid), payload: peer }, rng),
    ] as const;
    const tree = appendLeaves(EMPTY_FRONTIER, entries.map(merkleLeaf));
    const fields = { aid, version: 3, count: 3, root: merkleRoot(tree), createdAt: NOW, deviceId };
    const signer = { kind: 'device', deviceId, secretKey: signing.secretKey } as const;
    const hash = backupHeadHash(fields);
    const fresh = hexed({
      aid,
      deviceId,
      devicePublic: account.devices[0]!.cert.signingPub,
      backupKey: key.key,
      certHash,
      chain,
      bodyHash: bound.bodyHash,
      commit: bound.commit,
      dmKeys,
      peer,
      entry0: entries[0],
      entry1: entries[1],
      entry2: entries[2],
      leaf0: merkleLeaf(entries[0]),
      root: fields.root,
      manifest: signBackupManifest(fields, signing.secretKey),
      headHash: hash,
      logEntry: createBackupHead(account.log, { version: 3, count: 3, hash }, signer),
    });
    const frozen = frozenVectors('backup.json', fresh);
    expect(fresh).toEqual(frozen);
    const opened = ['entry0', 'entry1', 'entry2'].map((name) => openBackupEntry(key, fromHex(frozen[name]!)));
    expect(opened.map((item) => toHex(item.payload))).toEqual([
      frozen['chain'],
      frozen['dmKeys'],
      frozen['peer'],
    ]);
  });
});
