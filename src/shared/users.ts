// People: what others may see of an account, and presence.
import * as z from 'zod/mini';
import { displayNameSchema } from './auth.ts';
import { accountIdSchema, type AccountId } from './ids.ts';
import { limits } from './limits.ts';
import type { InstanceRole } from './permissions.ts';

/** What a person chose; `invisible` is never shown to anybody else. */
export const presenceChoiceSchema = z.enum(['online', 'idle', 'dnd', 'invisible']);
export type PresenceChoice = z.infer<typeof presenceChoiceSchema>;
/** What others see. */
export type Presence = 'online' | 'idle' | 'dnd' | 'offline';

export interface Profile {
  readonly accountId: AccountId;
  readonly username: string;
  readonly displayName: string;
  readonly bio: string;
  readonly pronouns: string;
  readonly isDeleted: boolean;
}

export interface OwnAccount extends Profile {
  readonly instanceRole: InstanceRole;
  readonly presence: PresenceChoice;
  readonly version: number;
}

export const updateProfileInput = z.object({
  displayName: z.optional(displayNameSchema),
  bio: z.optional(z.string().check(z.maxLength(limits.bioMax))),
  pronouns: z.optional(z.string().check(z.trim(), z.maxLength(limits.pronounsMax))),
});

export const profilesInput = z.object({
  accountIds: z.array(accountIdSchema).check(z.minLength(1), z.maxLength(100)),
});

export const setPresenceInput = z.object({ presence: presenceChoiceSchema });
/** Replaces what this socket watches: visible rows and DM partners. */
export const watchPresenceInput = z.object({
  accountIds: z.array(accountIdSchema).check(z.maxLength(limits.presenceWatch)),
});
export interface PresenceEntry {
  readonly accountId: AccountId;
  readonly presence: Presence;
}
