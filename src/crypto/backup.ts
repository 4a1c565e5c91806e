// The backup (protocol 3.12; docs/protocol.md, Backup): an append-only list of entries sealed under the backup key, and
// the manifest a device signs over it. The server keeps both and can read, swap, drop or roll back none of it unseen.
import { concat, equalBytes, utf8 } from './bytes.ts';
import { findDevice, type AccountLogState, type LogDevice } from './account-log.ts';
import { decodeAll, type Reader, Writer } from './codec.ts';
import {
  AEAD_KEY_BYTES,
  AEAD_TAG_BYTES,
  HASH_BYTES,
  ID_BYTES,
  MAX_BACKUP_ENTRIES,
  MAX_BACKUP_ENTRY_BYTES,
  MAX_BACKUP_ID_BYTES,
  MAX_BACKUP_MANIFEST_BYTES,
  MIN_BACKUP_ID_BYTES,
  SIGN_LABELS,
  SIGNATURE_BYTES,
  WIRE_VERSION,
  XAEAD_NONCE_BYTES,
} from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import type { BackupHead } from './log-entry.ts';
import { growFrontier, merkleRoot, type Frontier, type MerkleNode } from './merkle.ts';
import { H, hkdfExpand, sign, verifySigned, xaeadOpen, xaeadSeal } from './primitives.ts';
import type { Rng } from './rng.ts';

/** What entries of one backup version are sealed under and bound to. Secret: `key`, 32 bytes. */
export interface BackupKey {
  readonly aid: Uint8Array;
  readonly version: number;
  readonly key: Uint8Array;
}

/** One entry, opened. */
export interface BackupItem {
  /** 1 … 255; kinds a client does not know are kept and passed over. */
  readonly kind: number;
  /** 16 … 32 bytes; says nothing to the server. */
  readonly id: Uint8Array;
  readonly payload: Uint8Array;
}

/** The signed statement about a backup. */
export interface BackupManifest {
  readonly aid: Uint8Array;
  readonly version: number;
  /** Entries, at least 1. */
  readonly count: number;
  /** Merkle root over all of them. */
  readonly root: Uint8Array;
  readonly createdAt: number;
  readonly deviceId: Uint8Array;
}

/** Longest payload of an entry, bytes: what is left beside header, nonce and tag. */
export const MAX_BACKUP_PAYLOAD_BYTES =
  MAX_BACKUP_ENTRY_BYTES - 8 - MAX_BACKUP_ID_BYTES - XAEAD_NONCE_BYTES - AEAD_TAG_BYTES;

const KEY_LABEL = utf8('cl1/backup/');
const ID_LABEL = utf8('cl1/backup-id/');
const AAD_LABEL = utf8('cl1/backup/entry');
const HEAD_LABEL = utf8('cl1/backup/head');

/** A name only holders of the backup key can make or recognise: EXP(BK, "cl1/backup-id/" ‖ kind ‖ name, 16). */
export function backupId(key: BackupKey, kind: number, name: Uint8Array): Uint8Array {
  return hkdfExpand(key.key, concat(ID_LABEL, Uint8Array.of(kind), name), MIN_BACKUP_ID_BYTES);
}

const entryKey = (key: BackupKey, kind: number, id: Uint8Array): Uint8Array =>
  hkdfExpand(key.key, concat(KEY_LABEL, Uint8Array.of(kind), id), AEAD_KEY_BYTES);

function entryAad(key: BackupKey, kind: number, id: Uint8Array): Uint8Array {
  const w = new Writer().fixed(key.aid, HASH_BYTES).u32(key.version).u8(kind);
  return concat(AAD_LABEL, w.bytes(id, MAX_BACKUP_ID_BYTES).done());
}

/** Seals one entry; returns its bytes as the server keeps them. Throws `limit`. */
export function sealBackupEntry(key: BackupKey, item: BackupItem, rng: Rng): Uint8Array {
  const { kind, id, payload } = item;
  ensure(id.length >= MIN_BACKUP_ID_BYTES, 'malformed', 'backup id length');
  ensure(kind >= 1, 'malformed', 'backup kind');
  ensure(payload.length <= MAX_BACKUP_PAYLOAD_BYTES, 'limit', 'backup payload size');
  const nonce = rng.bytes(XAEAD_NONCE_BYTES);
  const sealed = xaeadSeal(entryKey(key, kind, id), nonce, payload, entryAad(key, kind, id));
  return new Writer()
    .u8(WIRE_VERSION)
    .u8(kind)
    .bytes(id, MAX_BACKUP_ID_BYTES)
    .fixed(nonce, XAEAD_NONCE_BYTES)
    .bytes(sealed, MAX_BACKUP_ENTRY_BYTES)
    .done();
}

/** Opens one entry. Throws `bad_mac` (another key, account, version, kind or id), malformed, unsupported, limit. */
export function openBackupEntry(key: BackupKey, encoded: Uint8Array): BackupItem {
  const { kind, id, nonce, sealed } = parseBackupEntry(encoded);
  return { kind, id, payload: xaeadOpen(entryKey(key, kind, id), nonce, sealed, entryAad(key, kind, id)) };
}

/** What is public in an entry. Throws malformed, unsupported, limit. */
export function parseBackupEntry(encoded: Uint8Array): {
  readonly kind: number;
  readonly id: Uint8Array;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
} {
  ensure(encoded.length <= MAX_BACKUP_ENTRY_BYTES, 'limit', 'backup entry size');
  return decodeAll(encoded, (r) => {
    ensure(r.u8() === WIRE_VERSION, 'unsupported', 'backup entry version');
    const kind = r.u8();
    ensure(kind >= 1, 'malformed', 'backup kind');
    const id = r.bytes(MAX_BACKUP_ID_BYTES);
    ensure(id.length >= MIN_BACKUP_ID_BYTES, 'malformed', 'backup id length');
    const nonce = r.fixed(XAEAD_NONCE_BYTES);
    const sealed = r.bytes(MAX_BACKUP_ENTRY_BYTES);
    ensure(sealed.length >= AEAD_TAG_BYTES, 'malformed', 'backup entry too short');
    return { kind, id, nonce, sealed };
  });
}

/** fields ‖ SIGN(device key, "backup"). */
export function signBackupManifest(manifest: BackupManifest, deviceSecretKey: Uint8Array): Uint8Array {
  ensure(manifest.count >= 1 && manifest.count <= MAX_BACKUP_ENTRIES, 'limit', 'backup entries');
  const fields = new Writer()
    .u8(WIRE_VERSION)
    .fixed(manifest.aid, HASH_BYTES)
    .u32(manifest.version)
    .varint(manifest.count)
    .fixed(manifest.root, HASH_BYTES)
    .varint(manifest.createdAt)
    .fixed(manifest.deviceId, ID_BYTES)
    .done();
  return concat(fields, sign(deviceSecretKey, SIGN_LABELS.backupManifest, fields));
}

function readManifest(r: Reader): BackupManifest {
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'backup manifest version');
  const aid = r.fixed(HASH_BYTES);
  const version = r.u32();
  const count = r.varint(MAX_BACKUP_ENTRIES);
  const [root, createdAt, deviceId] = [r.fixed(HASH_BYTES), r.varint(), r.fixed(ID_BYTES)];
  ensure(version >= 1 && count >= 1, 'malformed', 'manifest of nothing');
  r.fixed(SIGNATURE_BYTES);
  return { aid, version, count, root, createdAt, deviceId };
}

/** Whose signature a manifest must carry. */
export interface ManifestSigner {
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  readonly signingPub: Uint8Array;
}

/** Reads a manifest of this device. Throws `mismatch` (another account or device), `bad_signature`, malformed. */
export function verifyBackupManifest(encoded: Uint8Array, signer: ManifestSigner): BackupManifest {
  const manifest = parseBackupManifest(encoded);
  ensure(equalBytes(manifest.aid, signer.aid), 'mismatch', 'manifest of another account');
  ensure(equalBytes(manifest.deviceId, signer.deviceId), 'mismatch', 'manifest of another device');
  const split = encoded.length - SIGNATURE_BYTES;
  const [fields, signature] = [encoded.subarray(0, split), encoded.subarray(split)];
  verifySigned(signer.signingPub, SIGN_LABELS.backupManifest, fields, signature);
  return manifest;
}

/** Reads a manifest; its signature is not checked. Throws malformed, unsupported, limit. */
export function parseBackupManifest(encoded: Uint8Array): BackupManifest {
  ensure(encoded.length <= MAX_BACKUP_MANIFEST_BYTES, 'limit', 'backup manifest size');
  return decodeAll(encoded, readManifest);
}

/**
 * Reads a manifest as the account's log entitles its devices to sign one: a live full device; a device that left by
 * itself; or any, for exactly the backup the log's last head names. Throws as verifyBackupManifest, `unknown_device`,
 * `not_allowed`, `revoked`.
 */
export function acceptBackupManifest(encoded: Uint8Array, log: AccountLogState): BackupManifest {
  const { deviceId } = parseBackupManifest(encoded);
  const device = findDevice(log, deviceId);
  ensure(device !== null, 'unknown_device', 'manifest of an unknown device');
  ensure(device.cert.kind === 'full', 'not_allowed', 'only full devices write backups');
  const { signingPub } = device.cert;
  const manifest = verifyBackupManifest(encoded, { aid: log.aid, deviceId, signingPub });
  const isNamed = log.backupHead !== undefined && equalBytes(log.backupHead.hash, backupHeadHash(manifest));
  ensure(maySign(device) || isNamed, 'revoked', 'manifest of a removed device');
  return manifest;
}

/** A device that was taken away from somebody must not write on; one that logged out left its last word behind. */
const maySign = ({ revokedAtSeq, revokeReason }: LogDevice): boolean =>
  revokedAtSeq === null || revokeReason === 'logged_out' || revokeReason === 'replaced';

/** What a log entry names a backup by: H("cl1/backup/head" ‖ canon(aid, version, count, root)). */
export function backupHeadHash(
  backup: Pick<BackupManifest, 'aid' | 'version' | 'count' | 'root'>,
): Uint8Array {
  const { aid, version, count, root } = backup;
  const w = new Writer().fixed(aid, HASH_BYTES).u32(version).varint(count).fixed(root, HASH_BYTES);
  return H(HEAD_LABEL, w.done());
}

/** Entries a backup of this version must have at least: what the log names, and what this device saw itself. */
export function leastBackupCount(
  known: { readonly version: number; readonly count: number },
  logged: BackupHead | undefined,
): number {
  ensure(!logged || logged.version <= known.version, 'stale_record', 'backup key older than the log names');
  return Math.max(known.count, logged?.version === known.version ? logged.count : 0);
}

/** A tree to be proved: what was verified before, and the subtrees of everything after it, in order. */
export interface BackupProof {
  readonly from: Frontier;
  readonly nodes: readonly MerkleNode[];
  /** What was promised: by a signed manifest, or by the list after this one. */
  readonly manifest: Pick<BackupManifest, 'aid' | 'version' | 'count' | 'root'>;
  /** The head the account log names, where it is of this version. */
  readonly logged: BackupHead | undefined;
}

/**
 * Holds the entries that came against the manifest, and against the head in the log on the way there. Returns the tree
 * from which the next append goes on. Throws `truncated` (another number of entries), `mismatch` (other entries), `fork`
 * (the log names another backup).
 */
export function proveBackup({ from, nodes, manifest, logged }: BackupProof): Frontier {
  const { aid, version } = manifest;
  let frontier = from;
  let isNamed = logged?.version !== version || logged.count <= from.count;
  for (const node of nodes) {
    frontier = growFrontier(frontier, node);
    if (!logged || isNamed || frontier.count !== logged.count) continue;
    const found = backupHeadHash({ aid, version, count: frontier.count, root: merkleRoot(frontier) });
    if (!equalBytes(found, logged.hash)) throw new CryptoError('fork', 'the log names another backup');
    isNamed = true;
  }
  ensure(frontier.count === manifest.count, 'truncated', 'backup has another number of entries');
  ensure(equalBytes(merkleRoot(frontier), manifest.root), 'mismatch', 'backup has other entries');
  ensure(isNamed, 'mismatch', 'the logged head was passed over');
  return frontier;
}
