// The backup key rotated (A85): who has only the old key reads nothing that comes after, and a closed list can be neither
// shortened nor exchanged behind the new one. With frozen vectors and fuzzing of its wire.
import { describe, expect, it } from 'vitest';
import { createRevokeDevice, extendAccountLog } from '#crypto/account-log.ts';
import {
  BACKUP_CLOSED,
  BACKUP_PEER,
  decodeClosedBackup,
  encodeClosedBackup,
  encodePeerState,
  type ClosedBackup,
} from '#crypto/backup-kinds.ts';
import { openClosedBackup, promiseOf, requireSameList, rotateBackup } from '#crypto/backup-rotation.ts';
import {
  acceptBackupManifest,
  openBackupEntry,
  proveBackup,
  sealBackupEntry,
  signBackupManifest,
  type BackupKey,
} from '#crypto/backup.ts';
import { concat, fromHex, toHex, utf8 } from '#crypto/bytes.ts';
import { appendLeaves, EMPTY_FRONTIER, foldLeaves, merkleLeaf, merkleRoot } from '#crypto/merkle.ts';
import { decodePairwise, encodePairwise } from '#crypto/pairwise.ts';
import { encryptPairwise } from '#crypto/session.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';
import { fuzzDecoder } from '../support/fuzz.ts';
import { makeEnd, open, peek } from '../support/pairs.ts';
import { makeAccount, NOW } from '../support/people.ts';
import { frozenVectors } from '../support/vectors.ts';

const rng = seededRng(utf8('backup rotation'));
const ada = makeAccount('ada rotates', 3);
const { aid } = ada.log;

interface List {
  readonly key: BackupKey;
  readonly entries: readonly Uint8Array[];
}

const note = (key: BackupKey, text: string): Uint8Array =>
  sealBackupEntry(
    key,
    { kind: BACKUP_PEER, id: rng.bytes(16), payload: encodePeerState({ aid, record: utf8(text) }) },
    rng,
  );
const treeOf = (entries: readonly Uint8Array[]) => appendLeaves(EMPTY_FRONTIER, entries.map(merkleLeaf));

/** A list with more in it. */
const grown = (list: List, ...texts: string[]): List => ({
  ...list,
  entries: [...list.entries, ...texts.map((text) => note(list.key, text))],
});

/** The list after `list`, which is closed as it is. */
function rotated(list: List, logSeq = ada.log.headSeq): List {
  const { next, first } = rotateBackup(list.key, { tree: treeOf(list.entries), logSeq }, rng);
  return { key: next, entries: [first] };
}

const first: List = grown({ key: { aid, version: 1, key: rng.bytes(32) }, entries: [] }, 'a', 'b', 'c');
const second = grown(rotated(first), 'd', 'e');
const third = grown(rotated(second), 'f');

const closedIn = (list: List): ClosedBackup => openClosedBackup(list.key, list.entries[0]!)!;

/** Proves a closed list by the one after it. */
const prove = (closed: ClosedBackup, entries: readonly Uint8Array[]) =>
  proveBackup({
    from: EMPTY_FRONTIER,
    nodes: foldLeaves(0, entries.map(merkleLeaf)),
    manifest: promiseOf(aid, closed),
    logged: undefined,
  });

describe('a rotated backup', () => {
  it('leads whoever has the newest key back through every list', () => {
    let { key } = third;
    const texts: string[] = [];
    for (const list of [third, second, first]) {
      for (const entry of list.entries) {
        const { kind, payload } = openBackupEntry({ ...key, version: list.key.version }, entry);
        if (kind === BACKUP_PEER) texts.push(new TextDecoder().decode(payload.subarray(33)));
      }
      const closed = openClosedBackup({ aid, version: list.key.version, key: key.key }, list.entries[0]!);
      if (closed) key = { aid, version: closed.version, key: closed.key };
    }
    expect(texts).toEqual(['f', 'd', 'e', 'a', 'b', 'c']);
    expect(closedIn(second)).toMatchObject({ version: 1, count: 3, logSeq: ada.log.headSeq });
    expect(prove(closedIn(second), first.entries)).toEqual(treeOf(first.entries));
    expect(prove(closedIn(third), second.entries)).toEqual(treeOf(second.entries));
    expect(openClosedBackup(first.key, first.entries[0]!)).toBeNull();
  });

  it('A85 tells whoever has only the old key nothing that was written after', () => {
    for (const known of [first.key, { ...first.key, version: 2 }, { ...first.key, version: 3 }])
      for (const entry of [...second.entries, ...third.entries])
        expectCode('bad_mac', () => openBackupEntry(known, entry));
    const shown = second.entries.map(toHex).join();
    for (const secret of [first.key.key, second.key.key]) expect(shown).not.toContain(toHex(secret));
    for (const entry of third.entries) expectCode('bad_mac', () => openBackupEntry(second.key, entry));
  });

  it('A85 a closed list that is truncated, lengthened, reordered or another one is refused', () => {
    const closed = closedIn(second);
    const [a, b, c] = first.entries as [Uint8Array, Uint8Array, Uint8Array];
    expectCode('truncated', () => prove(closed, [a, b]));
    expectCode('truncated', () => prove(closed, [b, c]));
    expectCode('truncated', () => prove(closed, [a, b, c, c]));
    expectCode('mismatch', () => prove(closed, [a, c, b]));
    expectCode('mismatch', () => prove(closed, [a, b, note(first.key, 'late')]));
    expectCode('mismatch', () => prove(closed, second.entries));
  });

  it('A85 mixed versions: an entry of the old list replayed in the new, or the other way, does not open', () => {
    for (const entry of first.entries) expectCode('bad_mac', () => openBackupEntry(second.key, entry));
    for (const entry of second.entries) expectCode('bad_mac', () => openBackupEntry(third.key, entry));
    const sameKey = { ...first.key, version: 2 };
    expectCode('bad_mac', () => openBackupEntry(sameKey, first.entries[0]!));
    // The list two before in the place of the one before.
    expectCode('bad_mac', () => openClosedBackup(third.key, second.entries[0]!));
    const skipping = sealBackupEntry(
      third.key,
      { kind: BACKUP_CLOSED, id: rng.bytes(16), payload: encodeClosedBackup(closedIn(second)) },
      rng,
    );
    expectCode('mismatch', () => openClosedBackup(third.key, skipping));
    expectCode('mismatch', () => openClosedBackup(second.key, note(second.key, 'no list before')));
  });

  it('A85 a foreign key closes another list than the one a device knows', () => {
    const known = { key: first.key.key, count: 3 };
    requireSameList(closedIn(second), known);
    const foreign = rotated({ key: { ...first.key, key: rng.bytes(32) }, entries: first.entries });
    expectCode('mismatch', () => requireSameList(closedIn(foreign), known));
    const shorter = rotated({ ...first, entries: first.entries.slice(0, 2) });
    expectCode('truncated', () => requireSameList(closedIn(shorter), known));
    const changed = rotated({ ...first, entries: [...first.entries.slice(0, 2), note(first.key, 'x')] });
    expectCode('mismatch', () => prove(closedIn(changed), first.entries));
  });

  it('A85 a removed device cannot sign the new list', () => {
    const [thief, mine] = ada.devices.map(({ secrets }) => secrets) as [
      (typeof ada.devices)[0]['secrets'],
      (typeof ada.devices)[0]['secrets'],
    ];
    const signer = { kind: 'device', deviceId: mine.deviceId, secretKey: mine.signing.secretKey } as const;
    const target = { deviceId: thief.deviceId, reason: 'removed' } as const;
    const log = extendAccountLog(ada.log, [createRevokeDevice(ada.log, target, signer)]);
    const manifest = (by: typeof thief) =>
      signBackupManifest(
        {
          aid,
          version: 2,
          count: 1,
          root: merkleRoot(treeOf(second.entries.slice(0, 1))),
          createdAt: NOW,
          deviceId: by.deviceId,
        },
        by.signing.secretKey,
      );
    expectCode('revoked', () => acceptBackupManifest(manifest(thief), log));
    expect(acceptBackupManifest(manifest(mine), log).version).toBe(2);
  });

  it('closes a list in which nothing was ever written', () => {
    const empty = rotated({ key: first.key, entries: [] });
    expect(closedIn(empty)).toMatchObject({ version: 1, count: 0, root: new Uint8Array(32) });
    for (const wrong of [
      { ...closedIn(empty), count: 1 },
      { ...closedIn(second), count: 0 },
      { ...closedIn(second), version: 0 },
    ])
      expectCode('malformed', () => encodeClosedBackup(wrong));
  });
});

describe('the new key between own devices', () => {
  it('travels inside a session, and is no rotation below version 2', () => {
    const [from, to] = [makeEnd('from'), makeEnd('to')];
    open(from, to);
    const logs = { ownLog: from.self.log, peerLog: to.self.log };
    const overSession = (payload: Uint8Array) =>
      peek(to, from, encryptPairwise(from.set!, { ...logs, payload }, { now: NOW, rng: from.rng }).packet)
        .packet;
    const payload = { kind: 'backup-key', version: 2, key: rng.bytes(32) } as const;
    const bytes = encodePairwise(payload);
    expect(decodePairwise(overSession(bytes))).toEqual(payload);
    expectCode('malformed', () => decodePairwise(overSession(encodePairwise({ ...payload, version: 1 }))));
    expectCode('malformed', () => decodePairwise(overSession(concat(bytes, Uint8Array.of(0)))));
    expectCode('malformed', () => decodePairwise(overSession(bytes.slice(0, -1))));
  });
});

describe('frozen vectors', () => {
  const fixed = seededRng(utf8('frozen/backup-rotation'));
  const account = makeAccount('frozen/backup-rotation', 1);
  const key = { aid: account.log.aid, version: 1, key: fixed.bytes(32) };
  const entry = sealBackupEntry(key, { kind: 9, id: fixed.bytes(16), payload: utf8('first') }, fixed);
  const made = rotateBackup(key, { tree: treeOf([entry]), logSeq: 7 }, fixed);
  const item = openBackupEntry(made.next, made.first);
  const bytes = {
    aid: toHex(key.aid),
    backupKey: toHex(key.key),
    entry: toHex(entry),
    nextKey: toHex(made.next.key),
    first: toHex(made.first),
    closed: toHex(item.payload),
    backupKeyPayload: toHex(encodePairwise({ kind: 'backup-key', version: 2, key: made.next.key })),
  };

  it('rotation: the first entry of the new list and the key on its way', () => {
    expect(bytes).toEqual(frozenVectors('backup-rotation.json', bytes));
    expect(openClosedBackup(made.next, fromHex(bytes.first))).toMatchObject({ count: 1, logSeq: 7 });
  });

  it('A95 closed list: 100,000 mutations, only CryptoError, and what is read writes the same bytes', () => {
    const decode = (mutated: Uint8Array): void => {
      const read = decodeClosedBackup(mutated);
      if (toHex(encodeClosedBackup(read)) !== toHex(mutated)) throw new Error('two spellings of one list');
    };
    expect(fuzzDecoder('closed backup', decode, item.payload).runs).toBe(100_000);
  });
});
