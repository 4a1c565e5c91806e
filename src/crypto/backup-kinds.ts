// What backup entries hold (docs/protocol.md, Backup): keys of chains, content keys of direct messages, what the person
// knows about others, and the list before this one. Payloads only; sealing is backup.ts.
import type { PeerDevice } from './authenticated.ts';
import { concat, equalBytes, utf8 } from './bytes.ts';
import { decodeAll, type Reader, Writer } from './codec.ts';
import {
  AEAD_KEY_BYTES,
  CHAIN_ID_BYTES,
  CHAIN_MAX_ITER,
  HASH_BYTES,
  ID_BYTES,
  MAX_BACKUP_ENTRIES,
  MAX_DM_KEYS_PER_ENTRY,
  MAX_PEER_STATE_BYTES,
} from './constants.ts';
import { ensure } from './errors.ts';
import { H } from './primitives.ts';

/** Kinds of entries. */
export const BACKUP_CHAIN = 1;
export const BACKUP_DM_KEYS = 2;
export const BACKUP_PEER = 3;
export const BACKUP_CLOSED = 4;

/** A sender chain from `startIter` on. Secret: chainKey, 32 bytes. It opens nothing without its certificate. */
export interface ChainArchive {
  readonly channelId: Uint8Array;
  readonly owner: PeerDevice;
  readonly chainId: Uint8Array;
  readonly certHash: Uint8Array;
  readonly startIter: number;
  /** Chain key of message `startIter`. */
  readonly chainKey: Uint8Array;
  /** Handed on by another member: opens nothing newer than this seq. null: from its owner or an own device. */
  readonly historyUpTo: number | null;
}

/** The content key of one direct message, bound to who sent what by a hash. Secret: contentKey, 32 bytes. */
export interface DmKeyArchive {
  readonly eventId: Uint8Array;
  readonly contentKey: Uint8Array;
  /** See dmKeyBinding. */
  readonly binding: Uint8Array;
}

/** What a content key is bound to: its sender's device, H(payload), the commitment. */
interface BoundTo {
  readonly sender: PeerDevice;
  readonly bodyHash: Uint8Array;
  readonly commit: Uint8Array;
}

/** An own note about another account, written and read by the client alone. */
export interface PeerState {
  readonly aid: Uint8Array;
  /** At most 512 bytes; its format is its writer's. */
  readonly record: Uint8Array;
}

const HISTORY_ONLY = 1;
const BINDING_LABEL = utf8('cl1/backup/dm');

/** Payload of kind 1. Throws `limit`, `malformed`. */
export function encodeChainArchive(archive: ChainArchive): Uint8Array {
  const { owner, historyUpTo } = archive;
  ensure(archive.startIter < CHAIN_MAX_ITER, 'limit', 'chain starts past its end');
  const w = new Writer()
    .u8(historyUpTo === null ? 0 : HISTORY_ONLY)
    .fixed(archive.channelId, ID_BYTES)
    .fixed(owner.aid, HASH_BYTES)
    .fixed(owner.deviceId, ID_BYTES)
    .fixed(archive.chainId, CHAIN_ID_BYTES)
    .fixed(archive.certHash, HASH_BYTES)
    .u32(archive.startIter)
    .fixed(archive.chainKey, AEAD_KEY_BYTES);
  return (historyUpTo === null ? w : w.varint(historyUpTo)).done();
}

/** Reads a payload of kind 1. Throws malformed, unsupported. */
export function decodeChainArchive(payload: Uint8Array): ChainArchive {
  return decodeAll(payload, (r) => {
    const isHistory = r.mask(HISTORY_ONLY) === HISTORY_ONLY;
    const channelId = r.fixed(ID_BYTES);
    const owner = { aid: r.fixed(HASH_BYTES), deviceId: r.fixed(ID_BYTES) };
    const [chainId, certHash] = [r.fixed(CHAIN_ID_BYTES), r.fixed(HASH_BYTES)];
    const startIter = r.varint(CHAIN_MAX_ITER - 1);
    const chainKey = r.fixed(AEAD_KEY_BYTES);
    const historyUpTo = isHistory ? r.varint() : null;
    return { channelId, owner, chainId, certHash, startIter, chainKey, historyUpTo };
  });
}

/**
 * What an archived content key is good for, in 32 bytes instead of 112: the sender, the very payload and its commitment.
 * H("cl1/backup/dm" ‖ AID ‖ deviceId ‖ H(payload) ‖ C). Without it, the other person of a conversation, who knows the
 * key too, could have a server put other words into one's own mouth after a restore.
 */
export function dmKeyBinding(key: BoundTo): Uint8Array {
  return H(BINDING_LABEL, concat(key.sender.aid, key.sender.deviceId, key.bodyHash, key.commit));
}

/** What is kept of a received or made content key. */
export function archiveDmKey(key: BoundTo & Omit<DmKeyArchive, 'binding'>): DmKeyArchive {
  return { eventId: key.eventId, contentKey: key.contentKey, binding: dmKeyBinding(key) };
}

function writeDmKey(w: Writer, key: DmKeyArchive): void {
  w.fixed(key.eventId, ID_BYTES).fixed(key.contentKey, AEAD_KEY_BYTES).fixed(key.binding, HASH_BYTES);
}

function readDmKey(r: Reader): DmKeyArchive {
  return {
    eventId: r.fixed(ID_BYTES),
    contentKey: r.fixed(AEAD_KEY_BYTES),
    binding: r.fixed(HASH_BYTES),
  };
}

/** Payload of kind 2: 1 … 256 keys. Throws `limit`. */
export function encodeDmKeys(keys: readonly DmKeyArchive[]): Uint8Array {
  ensure(keys.length >= 1, 'malformed', 'no keys');
  return new Writer().array(keys, MAX_DM_KEYS_PER_ENTRY, writeDmKey).done();
}

/** Reads a payload of kind 2. Throws malformed. */
export function decodeDmKeys(payload: Uint8Array): DmKeyArchive[] {
  const keys = decodeAll(payload, (r) => r.array(MAX_DM_KEYS_PER_ENTRY, readDmKey));
  ensure(keys.length >= 1, 'malformed', 'no keys');
  return keys;
}

/** Payload of kind 3. Throws `limit`. */
export function encodePeerState({ aid, record }: PeerState): Uint8Array {
  return new Writer().fixed(aid, HASH_BYTES).bytes(record, MAX_PEER_STATE_BYTES).done();
}

/** Reads a payload of kind 3. Throws malformed. */
export function decodePeerState(payload: Uint8Array): PeerState {
  return decodeAll(payload, (r) => ({ aid: r.fixed(HASH_BYTES), record: r.bytes(MAX_PEER_STATE_BYTES) }));
}

/** The list of the version before, as it was when the key was rotated. Secret: key, 32 bytes. */
export interface ClosedBackup {
  readonly version: number;
  readonly key: Uint8Array;
  /** Entries it was closed with; 0 where nothing was ever backed up under that key. */
  readonly count: number;
  /** Merkle root over all of them, 32 bytes; zeros where there are none. */
  readonly root: Uint8Array;
  /** Newest entry of the account's log the rotating device knew: what was removed up to it never gets the new key. */
  readonly logSeq: number;
}

/** Root a closed list without entries is named with. */
const ROOT_OF_NOTHING = new Uint8Array(HASH_BYTES);

/** Payload of kind 4. Throws `malformed`. */
export function encodeClosedBackup(closed: ClosedBackup): Uint8Array {
  requireClosed(closed);
  const { version, key, count, root, logSeq } = closed;
  const w = new Writer().u32(version).fixed(key, AEAD_KEY_BYTES).varint(count);
  return w.fixed(root, HASH_BYTES).u32(logSeq).done();
}

/** Reads a payload of kind 4. Throws malformed. */
export function decodeClosedBackup(payload: Uint8Array): ClosedBackup {
  return decodeAll(payload, (r) => {
    const version = r.u32();
    const key = r.fixed(AEAD_KEY_BYTES);
    const count = r.varint(MAX_BACKUP_ENTRIES);
    const closed = { version, key, count, root: r.fixed(HASH_BYTES), logSeq: r.u32() };
    requireClosed(closed);
    return closed;
  });
}

function requireClosed({ version, count, root }: ClosedBackup): void {
  ensure(version >= 1, 'malformed', 'closed backup without a version');
  ensure((count === 0) === equalBytes(root, ROOT_OF_NOTHING), 'malformed', 'closed backup of nothing');
}
