// Roles, role assignment, overrides.
import * as z from 'zod/mini';
import {
  accountIdSchema,
  channelIdSchema,
  communityIdSchema,
  groupIdSchema,
  roleIdSchema,
  type AccountId,
  type ChannelId,
  type GroupId,
  type RoleId,
} from './ids.ts';
import { limits } from './limits.ts';
import { allPermissions } from './permissions.ts';

export interface RoleSummary {
  readonly roleId: RoleId;
  readonly name: string;
  /** 0xRRGGBB or null; shown as a dot, never as a name colour. */
  readonly colour: number | null;
  /** 0 is the everyone role; higher acts on lower. */
  readonly position: number;
  readonly bits: number;
}

export interface OverrideSummary {
  readonly groupId: GroupId | null;
  readonly channelId: ChannelId | null;
  readonly roleId: RoleId | null;
  readonly accountId: AccountId | null;
  readonly allow: number;
  readonly deny: number;
}

const roleNameSchema = z.string().check(z.trim(), z.minLength(1), z.maxLength(limits.roleNameMax));
const bitsSchema = z.int().check(
  z.gte(0),
  z.refine((b) => (b & ~allPermissions) === 0, { error: 'unknown permission bits' }),
);
const colourSchema = z.nullable(z.int().check(z.gte(0), z.lte(0xffffff)));
const positionSchema = z.int().check(z.gte(1), z.lte(limits.rolesPerCommunity));

export const createRoleInput = z.object({
  communityId: communityIdSchema,
  name: roleNameSchema,
  bits: bitsSchema,
  colour: z.optional(colourSchema),
});
export const updateRoleInput = z.object({
  roleId: roleIdSchema,
  name: z.optional(roleNameSchema),
  bits: z.optional(bitsSchema),
  colour: z.optional(colourSchema),
  position: z.optional(positionSchema),
});
export const roleInput = z.object({ roleId: roleIdSchema });
export const assignRoleInput = z.object({ roleId: roleIdSchema, accountId: accountIdSchema });

/** One override row: exactly one scope and one subject; allow = deny = 0 removes it. */
export const setOverrideInput = z
  .object({
    communityId: communityIdSchema,
    groupId: z.optional(groupIdSchema),
    channelId: z.optional(channelIdSchema),
    roleId: z.optional(roleIdSchema),
    accountId: z.optional(accountIdSchema),
    allow: bitsSchema,
    deny: bitsSchema,
  })
  .check(
    z.refine((o) => (o.groupId === undefined) !== (o.channelId === undefined), {
      error: 'name a group or a channel',
    }),
    z.refine((o) => (o.roleId === undefined) !== (o.accountId === undefined), {
      error: 'name a role or a member',
    }),
    z.refine((o) => (o.allow & o.deny) === 0, { error: 'a bit cannot be both allowed and denied' }),
  );
