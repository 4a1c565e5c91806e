// Account logs, attached devices, prekeys.
import * as z from 'zod/mini';
import { deviceLabelSchema, logEntrySchema } from './auth.ts';
import { manifestSchema } from './backup.ts';
import { base64UrlBytes, base64UrlFixed } from './encoding.ts';
import {
  accountIdSchema,
  deviceIdSchema,
  deviceRefSchema,
  type AccountId,
  type DeviceId,
  type DeviceRef,
} from './ids.ts';
import { limits } from './limits.ts';

/** A fresh 32-byte challenge for this session (base64url). */
export interface AttachChallenge {
  readonly challenge: string;
}
/** Signature of the device signing key over {sessionId, challenge} (protocol P9). */
export const attachInput = z.object({ deviceId: deviceIdSchema, signature: base64UrlFixed(64) });

/**
 * What comes with the removal of a device: the remover's own manifest over exactly the backup there is, or that it cannot
 * vouch for that because it has not verified it.
 */
const vouchingSchema = z.union([
  z.strictObject({ manifest: manifestSchema }),
  z.strictObject({ isUnread: z.literal(true) }),
]);
export type Vouching = z.infer<typeof vouchingSchema>;

/**
 * Append one entry to the own account log. `label` names the device an addDevice adds; `backup` belongs to the removal of
 * another device, and may be left out where the backup's newest manifest is not by that device.
 */
export const appendLogInput = z.object({
  entry: logEntrySchema,
  label: z.optional(deviceLabelSchema),
  backup: z.optional(vouchingSchema),
});

/** What one calls a device of one's own; the server can read it. */
export const renameDeviceInput = z.object({ deviceId: deviceIdSchema, label: deviceLabelSchema });

const leaseEpochSchema = base64UrlFixed(limits.leaseEpochBytes);
/** This device's state goes on under `epoch`; `history`: the epochs it had before, oldest first. */
export const leaseInput = z.object({
  epoch: leaseEpochSchema,
  history: z.array(leaseEpochSchema).check(z.maxLength(limits.leaseHistory)),
});
/**
 * `held`: this state is the one that goes on. `doubted`: the newest known is not of this state; ask again after
 * `leaseSettleMs`, and do nothing until then. `copied`: two states of this device were seen; for good.
 */
export interface LeaseResult {
  readonly state: 'held' | 'doubted' | 'copied';
}

export const logsInput = z.object({
  accounts: z
    .array(
      z.object({
        accountId: accountIdSchema,
        fromSeq: z.int().check(z.gte(0), z.lte(limits.accountLogEntries)),
      }),
    )
    .check(z.minLength(1), z.maxLength(limits.accountLogsPerCall)),
});
export interface AccountLog {
  readonly accountId: AccountId;
  /** Entries from `fromSeq` on, each `entry ‖ signature`, base64url. */
  readonly entries: readonly string[];
  /** With the whole log: those it replaced, newest first, so that what was written under them still verifies. */
  readonly former?: readonly (readonly string[])[];
  readonly devices: readonly DeviceSummary[];
}
export interface DeviceSummary {
  readonly deviceId: DeviceId;
  readonly label: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
}

export const publishPrekeysInput = z.object({
  set: base64UrlBytes(64, limits.prekeySetBytes),
  units: z
    .array(base64UrlBytes(64, limits.prekeyUnitBytes))
    .check(z.minLength(1), z.maxLength(limits.prekeyUnits)),
});
export interface PrekeyStatus {
  readonly setId: number | null;
  /** SHA-256 of the set's bytes, base64url. */
  readonly setHash: string | null;
  readonly remaining: number;
  readonly notAfter: number | null;
}

export const claimPrekeysInput = z.object({
  targets: z.array(deviceRefSchema).check(z.minLength(1), z.maxLength(limits.prekeyClaimDevicesPerCall)),
});
export type ClaimResult = DeviceRef &
  (
    | { readonly status: 'claimed'; readonly set: string; readonly unit: string | null }
    | { readonly status: 'refused'; readonly reason: 'not_found' | 'no_keys' | 'too_often' }
  );
