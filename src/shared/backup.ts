// The backup: entries only the account's devices can open, appended by compare-and-swap (docs/protocol.md, Backup).
import * as z from 'zod/mini';
import { base64UrlBytes } from './encoding.ts';
import { limits } from './limits.ts';

const versionSchema = z.int().check(z.gte(1), z.lte(0x7fffffff));
const entriesSchema = z
  .array(base64UrlBytes(60, limits.backupEntryBytes))
  .check(z.minLength(1), z.maxLength(limits.backupAppendEntries));
export const manifestSchema = base64UrlBytes(150, limits.backupManifestBytes);
const positionSchema = z.int().check(z.gte(0), z.lte(limits.backupEntries));

/** What the server holds. */
export interface BackupStatus {
  /** 0 before the first append. */
  readonly version: number;
  readonly count: number;
  /** The newest manifest with its signature, base64url; null before the first append. */
  readonly manifest: string | null;
}

/** `conflict` where the server does not hold exactly `expectedCount` entries of this version. */
export const appendBackupInput = z.object({
  version: versionSchema,
  expectedCount: positionSchema,
  entries: entriesSchema,
  manifest: manifestSchema,
});

/**
 * The list of the next version, in place of the one there is; that stays readable as it is. `conflict` where that does not
 * hold exactly `closedCount` entries, or is not of the version before.
 */
export const nextBackup = {
  version: versionSchema.check(z.gte(2)),
  closedCount: positionSchema,
  entries: entriesSchema,
  manifest: manifestSchema,
};

/** Entries from … to − 1 of the list there is or of a closed one, as many of the last ones as one answer holds. */
export const backupEntriesInput = z.object({
  version: versionSchema,
  from: positionSchema,
  to: positionSchema,
});
export interface BackupPage {
  /** Position of the first entry. */
  readonly from: number;
  readonly entries: readonly string[];
}
