// What the engine keeps of the backup: the list it verified, what it reads, appends and rotates.
import { MAX_BACKUP_ENTRIES, type BackupHead, type Frontier, type MerkleNode } from '#crypto/index.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import type { BackupRefusal } from './backup-protocol.ts';

/** A list of entries that is being pulled, newest first. */
export interface BackupPull {
  /** What was promised: the signed manifest. */
  readonly manifest: Uint8Array;
  /** Entries [floor, to) are still to come. */
  readonly floor: number;
  readonly to: number;
  /** The head the log named when the pull began, where it is of this version. */
  readonly logged: BackupHead | null;
  /** Subtrees of what came, in order. */
  readonly nodes: readonly MerkleNode[];
  /** Notes about people: they count once the root is proved. Newest first, by AID. */
  readonly notes: Readonly<Record<string, PeerNote>>;
}

/** The backup as this device knows it. */
export interface BackupRecord {
  readonly version: number;
  readonly count: number;
  /** Of the verified part: roots of its complete subtrees. */
  readonly hashes: readonly Uint8Array[];
  readonly pull: BackupPull | null;
  readonly refusal: BackupRefusal | null;
  /** The newest head in the log and since when this device knows it, ms. */
  readonly head: { readonly seq: number; readonly at: number } | null;
  /** Entry of the account's log up to which removed devices do not have this version's key; absent while it is not read,
   *  and of the first version. */
  readonly rotatedAt?: number;
  /** A newer version is on the server: its manifest, while the first entry is asked for. */
  readonly probe?: Uint8Array | null;
  /** What was verified of the list before the key was rotated. */
  readonly before?: KnownList | null;
  /** The closed list that is being read. */
  readonly closed?: ClosedPull | null;
}

/** A list as this device knew it when another key came. Secret: key. */
export interface KnownList extends Pick<BackupRecord, 'version' | 'count' | 'hashes'> {
  readonly key: Uint8Array;
  /** It was read with everything before it. */
  readonly isWhole: boolean;
}

/** What is to be read of a list that a rotation closed. Secret: key. */
export interface ClosedPull extends Pick<BackupPull, 'to' | 'nodes' | 'notes'> {
  readonly version: number;
  readonly key: Uint8Array;
  /** As the list after it promises. */
  readonly count: number;
  readonly root: Uint8Array;
  /** What was verified of it before. */
  readonly from: Frontier;
  /** The lists before it are to be read too. */
  readonly reachesBack: boolean;
}

/** An append the server has not acknowledged; repeated byte-identical. */
export interface PendingBackup {
  readonly version: number;
  readonly expectedCount: number;
  readonly entries: readonly string[];
  readonly manifest: string;
  readonly hashes: readonly Uint8Array[];
  /** Queue records it holds, and H(payload) of each: one that changed meanwhile stays queued. */
  readonly done: readonly { readonly key: string; readonly hash: Uint8Array }[];
}

/** An own note about somebody. */
export interface PeerNote {
  readonly record: Uint8Array;
  /** Where it is in the backup (`placeOf`); null while it waits to get there. */
  readonly position: number | null;
}

/** A rotation of the key that the server may or may not have: repeated as it is while nothing has moved. Secret: key. */
export interface RotationRecord {
  readonly version: number;
  readonly key: Uint8Array;
  /** Newest entry of the account's log it was made by. */
  readonly logSeq: number;
  /** H(the vault it was made from). */
  readonly madeFrom: Uint8Array;
  readonly revision: number;
  readonly closedCount: number;
  readonly vault: string;
  readonly entries: readonly string[];
  readonly manifest: string;
  /** Tree of the new list. */
  readonly hashes: readonly Uint8Array[];
}

/** Packets with the key for own devices, by deviceId, until the server has them. */
export interface KeyHandout {
  readonly version: number;
  readonly packets: readonly OutgoingPacket[];
}

/** A place in all lists of an account together: later versions come after. */
export const placeOf = (version: number, position: number): number =>
  (version - 1) * MAX_BACKUP_ENTRIES + position;
