// The backup against a server that drops, swaps, mixes and rolls back (A85), and its place in the account log.
import { describe, expect, it } from 'vitest';
import {
  createAddDevice,
  createBackupHead,
  createRevokeDevice,
  extendAccountLog,
  openAccountLog,
} from '#crypto/account-log.ts';
import { toHex, utf8 } from '#crypto/bytes.ts';
import {
  acceptBackupManifest,
  backupHeadHash,
  backupId,
  leastBackupCount,
  openBackupEntry,
  parseBackupEntry,
  proveBackup,
  sealBackupEntry,
  signBackupManifest,
  verifyBackupManifest,
  type BackupKey,
} from '#crypto/backup.ts';
import { Writer } from '#crypto/codec.ts';
import { appendLeaves, EMPTY_FRONTIER, foldLeaves, merkleLeaf, merkleRoot } from '#crypto/merkle.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';
import { addDevice, makeAccount, makeDevice, NOW, withEntry, type TestAccount } from '../support/people.ts';

const rng = seededRng(utf8('backup'));
const ada = makeAccount('ada', 2);
const key: BackupKey = { aid: ada.log.aid, version: 1, key: rng.bytes(32) };

const entriesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) =>
    sealBackupEntry(key, { kind: 1, id: rng.bytes(16), payload: utf8(`keys ${i}`) }, rng),
  );

const deviceAt = (account: TestAccount, at: number) => account.devices[at]!.secrets;

/** A manifest over these entries by a device of the account. */
function manifestOver(
  entries: readonly Uint8Array[],
  change: { by?: number; version?: number; account?: TestAccount } = {},
) {
  const { by = 0, version = 1, account = ada } = change;
  const { deviceId, signing } = deviceAt(account, by);
  const tree = appendLeaves(EMPTY_FRONTIER, entries.map(merkleLeaf));
  const fields = {
    aid: account.log.aid,
    version,
    count: tree.count,
    root: merkleRoot(tree),
    createdAt: NOW,
    deviceId,
  };
  return { tree, fields, bytes: signBackupManifest(fields, signing.secretKey) };
}

const headOf = ({ fields }: ReturnType<typeof manifestOver>) => ({
  version: fields.version,
  count: fields.count,
  hash: backupHeadHash(fields),
});

const nodesOf = (entries: readonly Uint8Array[], start = 0) => foldLeaves(start, entries.map(merkleLeaf));

const signerOf = (account: TestAccount, at: number) =>
  ({
    kind: 'device',
    deviceId: deviceAt(account, at).deviceId,
    secretKey: deviceAt(account, at).signing.secretKey,
  }) as const;

describe('backup entries', () => {
  it('open under their key and say nothing without it', () => {
    const item = { kind: 2, id: rng.bytes(20), payload: utf8('Canary-in-the-backup') };
    const sealed = sealBackupEntry(key, item, rng);
    expect(openBackupEntry(key, sealed)).toEqual(item);
    expect(toHex(sealed)).not.toContain(toHex(utf8('Canary')));
    expect(parseBackupEntry(sealed)).toMatchObject({ kind: 2, id: item.id });
  });

  it('ids of one name differ by key and kind, so the server learns no names', () => {
    const name = ada.log.aid;
    const ids = [
      backupId(key, 3, name),
      backupId(key, 1, name),
      backupId({ ...key, key: rng.bytes(32) }, 3, name),
    ];
    expect(new Set(ids.map(toHex)).size).toBe(3);
    expect(toHex(backupId(key, 3, name))).toBe(toHex(ids[0]!));
  });

  it('A85 an entry under another id, kind, version, account or key does not open', () => {
    const [one, two] = entriesOf(2).map(parseBackupEntry) as [
      ReturnType<typeof parseBackupEntry>,
      ReturnType<typeof parseBackupEntry>,
    ];
    const rebuilt = (kind: number, id: Uint8Array) =>
      new Writer().u8(1).u8(kind).bytes(id, 32).fixed(one.nonce, 24).bytes(one.sealed, 1024).done();
    expect(openBackupEntry(key, rebuilt(1, one.id)).kind).toBe(1);
    expectCode('bad_mac', () => openBackupEntry(key, rebuilt(1, two.id)));
    expectCode('bad_mac', () => openBackupEntry(key, rebuilt(2, one.id)));
    const foreign = [
      { ...key, version: 2 },
      { ...key, aid: rng.bytes(32) },
      { ...key, key: rng.bytes(32) },
    ];
    for (const other of foreign) expectCode('bad_mac', () => openBackupEntry(other, rebuilt(1, one.id)));
  });

  it('A85 one flipped bit anywhere is refused', () => {
    const [entry] = entriesOf(1) as [Uint8Array];
    for (let at = 0; at < entry.length; at++) {
      const changed = entry.slice();
      changed[at]! ^= 1;
      expect(() => openBackupEntry(key, changed)).toThrow();
    }
  });

  it('refuses what is over its caps', () => {
    const item = { kind: 1, id: rng.bytes(16), payload: new Uint8Array(0) };
    expectCode('limit', () => sealBackupEntry(key, { ...item, payload: new Uint8Array(24 * 1024) }, rng));
    expectCode('malformed', () => sealBackupEntry(key, { ...item, id: rng.bytes(15) }, rng));
    expectCode('limit', () => sealBackupEntry(key, { ...item, id: rng.bytes(33) }, rng));
    expectCode('malformed', () => sealBackupEntry(key, { ...item, kind: 0 }, rng));
    expectCode('limit', () => parseBackupEntry(new Uint8Array(24 * 1024 + 1)));
  });
});

describe('backup manifest', () => {
  const entries = entriesOf(11);
  const made = manifestOver(entries);

  it('is accepted from a live full device, and its entries prove it', () => {
    const manifest = acceptBackupManifest(made.bytes, ada.log);
    expect(manifest).toEqual(made.fields);
    const nodes = nodesOf(entries);
    expect(proveBackup({ from: EMPTY_FRONTIER, nodes, manifest, logged: undefined })).toEqual(made.tree);
  });

  it('A85 refuses another account, an unknown device, a bot, a changed field and a changed signature', () => {
    expectCode('mismatch', () => acceptBackupManifest(made.bytes, withSameDevices()));
    expectCode('unknown_device', () => acceptBackupManifest(made.bytes, makeAccount('eve', 1).log));
    const { account, device } = addDevice(ada, 'bot');
    const byBot = signBackupManifest(
      { ...made.fields, deviceId: device.cert.deviceId },
      device.secrets.signing.secretKey,
    );
    expectCode('not_allowed', () => acceptBackupManifest(byBot, account.log));
    for (let at = 0; at < made.bytes.length; at++) {
      const changed = made.bytes.slice();
      changed[at]! ^= 1;
      expect(() => acceptBackupManifest(changed, ada.log)).toThrow();
    }
    const signer = {
      aid: ada.log.aid,
      deviceId: deviceAt(ada, 1).deviceId,
      signingPub: ada.devices[1]!.cert.signingPub,
    };
    expectCode('mismatch', () => verifyBackupManifest(made.bytes, signer));
  });

  /** Another account that certifies devices of the same id: only the identity string tells them apart. */
  function withSameDevices() {
    return { ...makeAccount('mallory', 1).log, devices: ada.log.devices };
  }

  it('A85 a removed device cannot write on; a logged-out one, or the backup the log names, stands', () => {
    const revokedAs = (reason: 'lost' | 'logged_out', before = ada) =>
      extendAccountLog(before.log, [
        createRevokeDevice(before.log, { deviceId: deviceAt(ada, 0).deviceId, reason }, signerOf(ada, 1)),
      ]);
    expectCode('revoked', () => acceptBackupManifest(made.bytes, revokedAs('lost')));
    expect(acceptBackupManifest(made.bytes, revokedAs('logged_out')).count).toBe(11);
    const named = withEntry(ada, createBackupHead(ada.log, headOf(made), signerOf(ada, 1)));
    expect(acceptBackupManifest(made.bytes, revokedAs('lost', named)).count).toBe(11);
  });

  it('A85 truncated, lengthened, exchanged and reordered entries do not prove it', () => {
    const manifest = acceptBackupManifest(made.bytes, ada.log);
    const prove = (shown: readonly Uint8Array[]) => () =>
      proveBackup({ from: EMPTY_FRONTIER, nodes: nodesOf(shown), manifest, logged: undefined });
    expectCode('truncated', prove(entries.slice(0, 10)));
    expectCode('truncated', prove(entries.slice(1)));
    expectCode('truncated', prove([...entries, entries[0]!]));
    expectCode('mismatch', prove([...entries.slice(0, 10), entriesOf(1)[0]!]));
    const [first, second, ...rest] = entries as [Uint8Array, Uint8Array, ...Uint8Array[]];
    expectCode('mismatch', prove([second, first, ...rest]));
    expectCode('mismatch', prove([first, first, ...rest]));
  });

  it('A85 a device that saw the beginning goes on from there, and notices another past', () => {
    const from = appendLeaves(EMPTY_FRONTIER, entries.slice(0, 5).map(merkleLeaf));
    const manifest = acceptBackupManifest(made.bytes, ada.log);
    const nodes = nodesOf(entries.slice(5), 5);
    expect(proveBackup({ from, nodes, manifest, logged: undefined })).toEqual(made.tree);
    const other = appendLeaves(EMPTY_FRONTIER, entriesOf(5).map(merkleLeaf));
    expectCode('mismatch', () => proveBackup({ from: other, nodes, manifest, logged: undefined }));
  });

  it('A85 an older manifest falls below what the log or this device knows; a newer version of the log is no match', () => {
    const named = headOf(made);
    expect(leastBackupCount({ version: 1, count: 0 }, undefined)).toBe(0);
    expect(leastBackupCount({ version: 1, count: 3 }, named)).toBe(11);
    expect(leastBackupCount({ version: 1, count: 12 }, named)).toBe(12);
    expect(leastBackupCount({ version: 2, count: 0 }, named)).toBe(0);
    expectCode('stale_record', () => leastBackupCount({ version: 1, count: 12 }, { ...named, version: 2 }));
  });

  it('A85 a backup that grew from another than the one the log names is a fork', () => {
    const split = (shown: readonly Uint8Array[], at: number) => [
      ...nodesOf(shown.slice(0, at)),
      ...nodesOf(shown.slice(at), at),
    ];
    const logged = headOf(manifestOver(entries.slice(0, 6)));
    const manifest = acceptBackupManifest(made.bytes, ada.log);
    expect(proveBackup({ from: EMPTY_FRONTIER, nodes: split(entries, 6), manifest, logged })).toEqual(
      made.tree,
    );
    const forked = [...entriesOf(6), ...entries.slice(6)];
    const two = acceptBackupManifest(manifestOver(forked).bytes, ada.log);
    expectCode('fork', () =>
      proveBackup({ from: EMPTY_FRONTIER, nodes: split(forked, 6), manifest: two, logged }),
    );
    // Subtrees that jump over the named position prove nothing about it.
    expectCode('mismatch', () =>
      proveBackup({ from: EMPTY_FRONTIER, nodes: nodesOf(entries), manifest, logged }),
    );
  });

  it('A85 mixed versions: a manifest of one and entries of another', () => {
    const second = { ...key, version: 2, key: rng.bytes(32) };
    const moved = sealBackupEntry(second, { kind: 1, id: rng.bytes(16), payload: utf8('moved') }, rng);
    expectCode('bad_mac', () => openBackupEntry(key, moved));
    expectCode('bad_mac', () => openBackupEntry({ ...key, version: 2 }, entries[0]!));
    expect(acceptBackupManifest(manifestOver(entries, { version: 2 }).bytes, ada.log).version).toBe(2);
  });
});

describe('account log, op 4', () => {
  const head = (version: number, count: number) => ({ version, count, hash: rng.bytes(32) });

  it('names the backup; the newest is kept, devices stay as they are', () => {
    const first = head(1, 5);
    const one = withEntry(ada, createBackupHead(ada.log, first, signerOf(ada, 0)));
    expect(one.log.backupHead).toEqual({ ...first, seq: 3 });
    expect(one.log.devices).toEqual(ada.log.devices);
    const next = head(2, 1);
    const two = withEntry(
      one,
      createBackupHead(one.log, next, { kind: 'root', secretKey: ada.root.secretKey }),
    );
    expect(openAccountLog(two.entries).backupHead).toMatchObject(next);
    const added = createAddDevice(two.log, makeDevice(ada).cert, signerOf(ada, 1));
    expect(extendAccountLog(two.log, [added]).backupHead).toMatchObject(next);
  });

  it('A85 never goes back: fewer or as many entries of a version, or an older version', () => {
    const one = withEntry(ada, createBackupHead(ada.log, head(2, 5), signerOf(ada, 0)));
    for (const older of [head(2, 5), head(2, 4), head(1, 900)])
      expectCode('not_allowed', () => createBackupHead(one.log, older, signerOf(ada, 0)));
  });

  it('A31 refuses a head by a bot or a revoked device, of nothing, or with bytes left over', () => {
    const { account, device } = addDevice(ada, 'bot');
    const bot = {
      kind: 'device',
      deviceId: device.cert.deviceId,
      secretKey: device.secrets.signing.secretKey,
    } as const;
    expectCode('not_allowed', () => createBackupHead(account.log, head(1, 1), bot));
    const revoke = createRevokeDevice(
      ada.log,
      { deviceId: deviceAt(ada, 0).deviceId, reason: 'lost' },
      signerOf(ada, 1),
    );
    const without = extendAccountLog(ada.log, [revoke]);
    expectCode('revoked', () => createBackupHead(without, head(1, 1), signerOf(ada, 0)));
    for (const bad of [head(0, 1), head(1, 0)])
      expectCode('malformed', () => createBackupHead(ada.log, bad, signerOf(ada, 0)));
    expectCode('malformed', () =>
      createBackupHead(ada.log, { ...head(1, 1), hash: rng.bytes(31) }, signerOf(ada, 0)),
    );
  });
});
