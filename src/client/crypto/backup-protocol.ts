// The backup's part of the worker's interface (protocol.ts). No call returns a key.
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { ChannelId, DeviceId, DeviceRef } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import type { GivenVault } from './vault-calls.ts';

/** Why a backup is not taken: nothing of it is used beyond what was verified before. */
export interface BackupRefusal {
  readonly reason:
    | 'old' // fewer entries than the account's log or this device know of
    | 'changed' // an entry, the root or a signature does not hold
    | 'forked' // not the backup the account's log names
    | 'other_key'; // of a backup key this device does not have
  /** Entries there must be, and those the server has. */
  readonly expected: number;
  readonly got: number;
}

/** What to do about the backup next. */
export type BackupStep =
  /** Everything the server has is verified here; appends may go on. */
  | { readonly state: 'current'; readonly unlocked: readonly ChannelId[] }
  /** Fetch entries [from, to), or as many of the last ones as come, and hand them to `takeBackup`. */
  | {
      readonly state: 'behind';
      readonly version: number;
      readonly from: number;
      readonly to: number;
      readonly unlocked: readonly ChannelId[];
    }
  | { readonly state: 'refused'; readonly refusal: BackupRefusal; readonly unlocked: readonly ChannelId[] };

/** One append: compare-and-swap on the number of entries. */
export interface BackupAppend {
  readonly version: number;
  readonly expectedCount: number;
  readonly entries: readonly string[];
  readonly manifest: string;
}

/** The backup as a person may see it. */
export interface BackupView {
  /** Verified entries. */
  readonly count: number;
  /** Keys that are on this device only, so far. */
  readonly waiting: number;
  /** The first look at the backup is not over: what is from before this device may still open. */
  readonly isRestoring: boolean;
  readonly refusal: BackupRefusal | null;
  /** A device was removed that still knows the key: it reads on, until the key is another one. */
  readonly isRotationDue: boolean;
  /** A newer key is here or named in the account's log: compare with the server again. */
  readonly isOutdated: boolean;
}

/** A rotation of the key, durable before it is returned. */
export interface BackupRotation {
  readonly version: number;
  readonly closedCount: number;
  readonly vault: string;
  readonly entries: readonly string[];
  readonly manifest: string;
}

/** Another key, when a device was removed (decision 0021). */
export interface RotationCalls {
  /**
   * Opens the vault by the password of `deriveLogin` and makes another key, its list and the vault with it; the same again
   * while nothing has moved. null: the vault holds a newer key than this device, which counts from the next comparison on.
   * Throws `not_allowed` (what the server has is not verified here), `stale_record` (an older vault), `mismatch`, `bad_mac`.
   */
  rotateBackup(input: GivenVault & { now: number }): Promise<BackupRotation | null>;
  /** The server has the rotation. */
  backupRotated(input: { version: number; count: number }): Promise<void>;
  /** The key for own devices that were not handed it, the same until `backupKeyHanded`; `bundles`: open sessions first. */
  handBackupKey(input: { now: number }): Promise<{
    readonly packets: readonly OutgoingPacket[];
    readonly bundles: readonly DeviceRef[];
  }>;
  /** The server has the packets for these devices. */
  backupKeyHanded(input: { deviceIds: readonly DeviceId[] }): Promise<void>;
}

export interface BackupApi extends RotationCalls {
  /** Holds what the server says it has against what is known; begins to pull what is missing. */
  compareBackup(input: { status: BackupStatus }): Promise<BackupStep>;
  /** Entries `from` … in order, ending where the last step said. Keys in them are usable at once. */
  takeBackup(input: { page: BackupPage }): Promise<BackupStep>;
  /** The next append, durable before it is returned and repeated until `backupStored` or a conflict; null: nothing. */
  nextBackup(input: { now: number }): Promise<BackupAppend | null>;
  /** The server has the append that made it this many entries. */
  backupStored(input: { count: number }): Promise<void>;
  /** Entry that names the backup in the own log, where one is due. */
  backupHeadEntry(input: { now: number }): Promise<string | null>;
  backupView(): Promise<BackupView>;
}
