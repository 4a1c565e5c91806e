// One entry of the account log: its bytes, its operations, its signature's fields (protocol 3.2; docs/protocol.md,
// Identity). Whether an entry may stand where it stands is the reducer's business (account-log.ts).
import { concat } from './bytes.ts';
import { decodeAll, KEY_ED25519, readKey, writeKey, Writer, type Reader } from './codec.ts';
import {
  HASH_BYTES,
  ID_BYTES,
  MAX_BACKUP_ENTRIES,
  MAX_DEVICE_CERT_BYTES,
  MAX_LOG_BODY_BYTES,
  MAX_LOG_ENTRY_BYTES,
  SIGN_LABELS,
  SIGNATURE_BYTES,
  WIRE_VERSION,
} from './constants.ts';
import { ensure } from './errors.ts';
import { H, sign } from './primitives.ts';

export const OP_GENESIS = 0;
export const OP_ADD_DEVICE = 1;
export const OP_REVOKE_DEVICE = 2;
export const OP_ROTATE_ROOT = 3;
export const OP_BACKUP_HEAD = 4;
export const SIGNER_ROOT = 0;
export const SIGNER_DEVICE = 1;

/** Why a device left the account. */
export const REVOKE_REASONS = ['removed', 'lost', 'logged_out', 'replaced'] as const;
export type RevokeReason = (typeof REVOKE_REASONS)[number];

/** What a backup held at one moment (docs/protocol.md, Backup). */
export interface BackupHead {
  readonly version: number;
  readonly count: number;
  /** 32 bytes, see backupHeadHash. */
  readonly hash: Uint8Array;
}

export type LogOp =
  | { readonly op: 'genesis'; readonly rootPub: Uint8Array; readonly createdAt: number }
  | { readonly op: 'addDevice'; readonly cert: Uint8Array }
  | { readonly op: 'revokeDevice'; readonly deviceId: Uint8Array; readonly reason: RevokeReason }
  | { readonly op: 'rotateRoot'; readonly newRootPub: Uint8Array; readonly sigByNew: Uint8Array }
  | { readonly op: 'backupHead'; readonly head: BackupHead };

/** A decoded entry; its signature is checked by the reducer, which alone knows the signer's key. */
export interface LogEntry {
  readonly accountId: Uint8Array;
  readonly seq: number;
  readonly prevHash: Uint8Array;
  readonly body: LogOp;
  readonly signerKind: 'root' | 'device';
  readonly signerId: Uint8Array;
  readonly fields: Uint8Array;
  readonly signature: Uint8Array;
  /** H(entry ‖ sig), the prevHash of the next entry. */
  readonly hash: Uint8Array;
}

/** Decodes one entry ‖ signature. Throws malformed, unsupported, limit. */
export function decodeLogEntry(encoded: Uint8Array): LogEntry {
  ensure(encoded.length <= MAX_LOG_ENTRY_BYTES, 'limit', 'log entry size');
  return decodeAll(encoded, (r) => {
    ensure(r.u8() === WIRE_VERSION, 'unsupported', 'log entry version');
    const accountId = r.fixed(ID_BYTES);
    const seq = r.u32();
    const prevHash = r.fixed(HASH_BYTES);
    const op = r.u8();
    const body = decodeBody(op, r.bytes(MAX_LOG_BODY_BYTES));
    const kind = r.u8();
    ensure(kind === SIGNER_ROOT || kind === SIGNER_DEVICE, 'unsupported', 'log signer kind');
    const signerId = r.fixed(ID_BYTES);
    const signature = r.fixed(SIGNATURE_BYTES);
    const fields = encoded.slice(0, encoded.length - SIGNATURE_BYTES);
    const signerKind = kind === SIGNER_ROOT ? 'root' : 'device';
    return { accountId, seq, prevHash, body, signerKind, signerId, fields, signature, hash: H(encoded) };
  });
}

function decodeBody(op: number, body: Uint8Array): LogOp {
  if (op === OP_GENESIS) return decodeAll(body, readGenesis);
  if (op === OP_ADD_DEVICE) {
    ensure(body.length <= MAX_DEVICE_CERT_BYTES, 'limit', 'device certificate size');
    return { op: 'addDevice', cert: body };
  }
  if (op === OP_ROTATE_ROOT) return decodeAll(body, readRotation);
  if (op === OP_BACKUP_HEAD) return decodeAll(body, readBackupHead);
  ensure(op === OP_REVOKE_DEVICE, 'unsupported', 'log operation');
  return decodeAll(body, (r) => {
    const deviceId = r.fixed(ID_BYTES);
    const reason = REVOKE_REASONS[r.u8()];
    ensure(reason !== undefined, 'unsupported', 'revocation reason');
    return { op: 'revokeDevice', deviceId, reason };
  });
}

function readGenesis(r: Reader): LogOp {
  const rootPub = readKey(r, KEY_ED25519);
  const createdAt = r.varint();
  r.fixed(ID_BYTES); // random16: makes two geneses of one root distinct
  return { op: 'genesis', rootPub, createdAt };
}

function readRotation(r: Reader): LogOp {
  return { op: 'rotateRoot', newRootPub: readKey(r, KEY_ED25519), sigByNew: r.fixed(SIGNATURE_BYTES) };
}

/** What the new root agrees to by signing it: to follow this root of this account at this very position. */
export interface RootRotation {
  readonly aid: Uint8Array;
  readonly seq: number;
  /** H(entry ‖ sig) of the entry before, 32 bytes. */
  readonly prevHash: Uint8Array;
  readonly newRootPub: Uint8Array;
}

/** The fields of `sigByNew`. */
export function rotationFields({ aid, seq, prevHash, newRootPub }: RootRotation): Uint8Array {
  const w = new Writer().u8(WIRE_VERSION).fixed(aid, HASH_BYTES).u32(seq).fixed(prevHash, HASH_BYTES);
  writeKey(w, KEY_ED25519, newRootPub);
  return w.done();
}

/** Body of op 3: the new root and its own signature over the rotation. */
export function encodeRotation(rotation: RootRotation, newSecret: Uint8Array): Uint8Array {
  const w = new Writer();
  writeKey(w, KEY_ED25519, rotation.newRootPub);
  const sigByNew = sign(newSecret, SIGN_LABELS.rootRotation, rotationFields(rotation));
  return w.fixed(sigByNew, SIGNATURE_BYTES).done();
}

function readBackupHead(r: Reader): LogOp {
  const head = { version: r.u32(), count: r.varint(MAX_BACKUP_ENTRIES), hash: r.fixed(HASH_BYTES) };
  ensure(head.version >= 1 && head.count >= 1, 'malformed', 'backup head of nothing');
  return { op: 'backupHead', head };
}

/** Body of op 4. */
export function encodeBackupHead({ version, count, hash }: BackupHead): Uint8Array {
  return new Writer().u32(version).varint(count).fixed(hash, HASH_BYTES).done();
}

/** The fields of an entry to sign. */
export interface EntryInput {
  readonly accountId: Uint8Array;
  readonly seq: number;
  readonly prevHash: Uint8Array;
  readonly op: number;
  readonly body: Uint8Array;
  readonly signerKind: number;
  readonly signerId: Uint8Array;
}

/** Returns entry ‖ signature. */
export function signEntry(e: EntryInput, secretKey: Uint8Array): Uint8Array {
  const fields = new Writer()
    .u8(WIRE_VERSION)
    .fixed(e.accountId, ID_BYTES)
    .u32(e.seq)
    .fixed(e.prevHash, HASH_BYTES)
    .u8(e.op)
    .bytes(e.body, MAX_LOG_BODY_BYTES)
    .u8(e.signerKind)
    .fixed(e.signerId, ID_BYTES)
    .done();
  return concat(fields, sign(secretKey, SIGN_LABELS.accountLog, fields));
}
