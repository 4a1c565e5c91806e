// Registration, log-in, sessions, vault. The server never sees a password (protocol P10).
import * as z from 'zod/mini';
import { base64UrlBytes, base64UrlFixed } from './encoding.ts';
import {
  accountIdSchema,
  deviceIdSchema,
  sessionIdSchema,
  type AccountId,
  type DeviceId,
  type SessionId,
} from './ids.ts';
import { limits } from './limits.ts';
import { usernamePattern } from './names.ts';
import { factorProofSchema, factorSchema, type FactorTicket } from './second-factor.ts';

/** Case-insensitive: kept in lower case. */
export const usernameSchema = z
  .string()
  .check(
    z.trim(),
    z.toLowerCase(),
    z.minLength(limits.usernameMin),
    z.maxLength(limits.usernameMax),
    z.regex(usernamePattern),
  );
export const displayNameSchema = z
  .string()
  .check(z.trim(), z.minLength(1), z.maxLength(limits.displayNameMax));

export const reservedUsernames: readonly string[] = [
  'admin',
  'administrator',
  'chatalot',
  'deleted',
  'everyone',
  'here',
  'moderator',
  'official',
  'owner',
  'root',
  'staff',
  'support',
  'system',
  'webhook',
];

/** Argon2id parameters as the server hands them out; the client enforces floor and ceiling itself. */
export const kdfParamsSchema = z.object({
  v: z.literal(1),
  m: z.int().check(z.gte(limits.kdfMemoryMinKiB), z.lte(limits.kdfMemoryMaxKiB)),
  t: z.int().check(z.gte(limits.kdfPassesMin), z.lte(limits.kdfPassesMax)),
  p: z.literal(1),
  salt: base64UrlFixed(16),
});
export type KdfParams = z.infer<typeof kdfParamsSchema>;

export const logEntrySchema = base64UrlBytes(64, limits.accountLogEntryBytes);
/** Genesis and the first addDevice. */
export const foundedLogSchema = z.array(logEntrySchema).check(z.minLength(2), z.maxLength(2));
export const vaultSchema = base64UrlBytes(64, limits.vaultBytes);
const secretSchema = base64UrlFixed(32);
export const deviceLabelSchema = z
  .string()
  .check(z.trim(), z.minLength(1), z.maxLength(limits.deviceLabelMax));
export const inviteCodeSchema = z.string().check(z.regex(/^[A-Za-z0-9_-]{16,32}$/));

export const kdfInput = z.object({ username: usernameSchema });
export const availableInput = z.object({ username: usernameSchema });

export const registerInput = z.object({
  username: usernameSchema,
  displayName: displayNameSchema,
  kdf: kdfParamsSchema,
  loginSecret: secretSchema,
  recoveryAuth: secretSchema,
  accountId: accountIdSchema,
  deviceId: deviceIdSchema,
  deviceLabel: deviceLabelSchema,
  /** Genesis and the first addDevice, each `entry ‖ signature`. */
  log: foundedLogSchema,
  vault: vaultSchema,
  inviteCode: z.optional(inviteCodeSchema),
  /** Present only on the very first account: the one that becomes the instance owner. */
  setup: z.optional(z.object({ token: z.optional(z.string().check(z.maxLength(128))) })),
});

export const loginInput = z.object({
  username: usernameSchema,
  loginSecret: secretSchema,
  /** Where `second_factor_required` was answered: the same call again, with it. */
  factor: z.optional(factorSchema),
});

/** Answer of register, log in and refresh. The refresh token travels in a cookie only. */
export interface SessionGrant {
  readonly accessToken: string;
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  /** The device this session is bound to; null until `devices.attach`. */
  readonly deviceId: DeviceId | null;
}

/** Answer of the log-ins. */
export type LoginGrant = SessionGrant & FactorTicket;

export const logoutInput = z.object({
  /** "Log out and remove": the session's device leaves the account log first (client appends revokeDevice). */
  everywhere: z.optional(z.boolean()),
});

export interface SessionSummary {
  readonly sessionId: SessionId;
  readonly deviceId: DeviceId | null;
  readonly deviceLabel: string | null;
  readonly userAgent: string;
  readonly address: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly isCurrent: boolean;
}
export const revokeSessionInput = z.object({ sessionId: sessionIdSchema });

/** The second factor is needed exactly where log-in asks for one (protocol P10). */
export const vaultGetInput = z.object({
  loginSecret: secretSchema,
  factor: z.optional(factorProofSchema),
});
export interface VaultGrant {
  readonly vault: string;
  readonly vaultVersion: number;
  readonly accountId: AccountId;
}
