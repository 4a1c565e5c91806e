// What the owner of an account changes about the account itself: password, recovery code, name, its end.
import * as z from 'zod/mini';
import {
  deviceLabelSchema,
  foundedLogSchema,
  kdfParamsSchema,
  usernameSchema,
  vaultSchema,
  type SessionGrant,
} from './auth.ts';
import { nextBackup } from './backup.ts';
import { base64UrlFixed } from './encoding.ts';
import { deviceIdSchema, type AccountId, type CommunityId } from './ids.ts';
import { limits } from './limits.ts';
import type { Profile } from './users.ts';

const secretSchema = base64UrlFixed(32);
/** The log-in secret of the password as it is now: every change of the account asks for it. */
const proof = { loginSecret: secretSchema };

/** `vault` is the stored one with its password slot wrapped anew, so its revision is one more. */
const newPassword = { newLoginSecret: secretSchema, kdf: kdfParamsSchema };

export const changePasswordInput = z.object({ ...proof, ...newPassword, vault: vaultSchema });
export const changeRecoveryInput = z.object({ ...proof, newRecoveryAuth: secretSchema, vault: vaultSchema });

/** `vault` is the stored one with the next backup key in it; its slots are the same. */
export const rotateBackupInput = z.object({ ...proof, vault: vaultSchema, ...nextBackup });

const recoveryProof = { username: usernameSchema, recoveryAuth: secretSchema };
export const recoveryVaultInput = z.object(recoveryProof);
/** Both slots of the vault are wrapped anew: the code that was used opens nothing afterwards. */
export const recoverInput = z.object({
  ...recoveryProof,
  ...newPassword,
  newRecoveryAuth: secretSchema,
  vault: vaultSchema,
});
export interface RecoveryGrant {
  readonly accountId: AccountId;
  readonly vault: string;
}

/** A link whoever runs the server made: its code stands for the person's whole proof, once. */
export const passwordResetCodeSchema = base64UrlFixed(limits.passwordResetCodeBytes);
export const resetPasswordInput = z.object({ code: passwordResetCodeSchema, ...newPassword });
/** Who it was: the name belongs to the password just set. */
export type PasswordResetGrant = SessionGrant & { readonly username: string };

/** Starting over: another root, another vault, another log. The username is typed as a last check. */
export const resetIdentityInput = z.object({
  ...proof,
  username: usernameSchema,
  deviceId: deviceIdSchema,
  deviceLabel: deviceLabelSchema,
  /** Genesis and the first addDevice, each `entry ‖ signature`. */
  log: foundedLogSchema,
  recoveryAuth: secretSchema,
  vault: vaultSchema,
});

export const changeUsernameInput = z.object({ ...proof, username: usernameSchema });

/** The username is typed as a last check. */
export const deleteAccountInput = z.object({ ...proof, username: usernameSchema });
/** What deleting the account would do, before it is done. */
export interface DeletionPlan {
  /** The only owner of an instance others live on cannot go. */
  readonly isOwnerNeeded: boolean;
  /** The communities one owns: who they go to, or null where nobody else is in them, so that they end. */
  readonly communities: readonly {
    readonly communityId: CommunityId;
    readonly name: string;
    readonly successor: Profile | null;
  }[];
}

/** What the server holds about an account, in parts of their own shape. */
export const exportPartSchema = z.enum([
  'account',
  'sessions',
  'passkeys',
  'devices',
  'log',
  'backup',
  'communities',
  'permissions',
  'bans',
  'bansByMe',
  'invites',
  'channels',
  'chains',
  'keyClaims',
  'mailbox',
  'events',
]);
export type ExportPart = z.infer<typeof exportPartSchema>;
export const exportInput = z.object({
  part: exportPartSchema,
  /** `next` of the page before. */
  after: z.optional(z.string().check(z.minLength(1), z.maxLength(100), z.regex(/^[\w:.-]+$/))),
});
/** Times as ISO 8601, bytes as base64url. */
export type ExportRow = Readonly<Record<string, string | number | boolean | null>>;
export interface ExportPage {
  readonly rows: readonly ExportRow[];
  /** Null after the last page. A page may be empty and not be the last. */
  readonly next: string | null;
}
