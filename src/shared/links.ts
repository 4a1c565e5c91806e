// Linking a device: the relay that passes sealed parcels between a new device and one of the account's (protocol 3.3).
import * as z from 'zod/mini';
import { deviceLabelSchema, logEntrySchema } from './auth.ts';
import { base64UrlBytes, base64UrlFixed } from './encoding.ts';
import { limits } from './limits.ts';

/** Chosen at random by the new device; who knows it may use the mailbox. 16 bytes. */
const mailboxIdSchema = base64UrlFixed(16);
/** Sealed; the server cannot open it. */
const parcelSchema = base64UrlBytes(17, limits.linkParcelBytes);

export const linkInput = z.object({ mailboxId: mailboxIdSchema });
export const linkParcelInput = z.object({ mailboxId: mailboxIdSchema, parcel: parcelSchema });

/** `entry` certifies the new device; `claimHash` is SHA-256 of what it will show to be logged in. */
export const approveLinkInput = z.object({
  mailboxId: mailboxIdSchema,
  parcel: parcelSchema,
  entry: logEntrySchema,
  label: deviceLabelSchema,
  claimHash: base64UrlFixed(32),
});
export const claimLinkInput = z.object({ mailboxId: mailboxIdSchema, claim: base64UrlFixed(32) });

/** What the mailbox holds now, base64url; null where nothing arrived yet. */
export interface LinkView {
  readonly expiresAt: number;
  readonly meeting: string | null;
  readonly request: string | null;
  readonly grant: string | null;
}
