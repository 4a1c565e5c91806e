// What each kind of person may do, written down by hand and apart from the policy: the matrix tests hold the
// policy, and the facts loaded from a database, against it.
import type { Action } from '#shared/permissions.ts';

export const personas = ['stranger', 'member', 'moderator', 'admin', 'owner', 'instanceAdmin'] as const;
export type Persona = (typeof personas)[number];
/** `ok`, or the reason of the refusal. */
export type Outcome = string;

type Row = readonly [Outcome, Outcome, Outcome, Outcome, Outcome, Outcome];

const everybody: Row = ['ok', 'ok', 'ok', 'ok', 'ok', 'ok'];
const nobody = (reason: string): Row => [reason, reason, reason, reason, reason, reason];
const members: Row = ['not_found', 'ok', 'ok', 'ok', 'ok', 'ok'];
const moderatorsUp: Row = ['not_found', 'permission', 'ok', 'ok', 'ok', 'permission'];
const adminsUp: Row = ['not_found', 'permission', 'permission', 'ok', 'ok', 'permission'];

/**
 * In an open channel of a community, acting on a plain member, on the moderator role, on somebody else's invite
 * and message. Columns: stranger, member, moderator, admin, community owner, instance admin who is a member.
 */
export const inOpenChannel: Record<Action, Row> = {
  'account.use': everybody,
  'instance.configure': nobody('permission'),
  'instance.observe': ['permission', 'permission', 'permission', 'permission', 'permission', 'ok'],
  'community.create': everybody,
  'community.view': members,
  'community.update': adminsUp,
  'community.delete': ['not_found', 'permission', 'permission', 'permission', 'ok', 'permission'],
  'community.leave': ['not_found', 'ok', 'ok', 'ok', 'owner', 'ok'],
  'member.list': members,
  'member.kick': moderatorsUp,
  'member.ban': moderatorsUp,
  'member.unban': moderatorsUp,
  'invite.accept': everybody,
  'invite.create': members,
  'invite.list': members,
  'invite.revoke': adminsUp,
  'channel.manage': adminsUp,
  'role.manage': adminsUp,
  'role.assign': adminsUp,
  'override.set': adminsUp,
  'dm.open': everybody,
  'channel.view': members,
  'message.send': members,
  'message.edit': ['not_found', 'not_author', 'not_author', 'not_author', 'not_author', 'not_author'],
  'message.react': members,
  'message.redact': moderatorsUp,
  'message.pin': moderatorsUp,
};

/** Admins read it by their role; the owner does not, but can always manage it. */
const adminsRead: Row = ['not_found', 'not_found', 'not_found', 'ok', 'not_found', 'not_found'];
const adminsManage: Row = ['not_found', 'not_found', 'not_found', 'ok', 'ok', 'not_found'];

/** The same in a channel everyone is denied to view and only the admin role is allowed to. */
export const inHiddenChannel: Partial<Record<Action, Row>> = {
  'channel.manage': adminsManage,
  'override.set': adminsManage,
  'channel.view': adminsRead,
  'message.send': adminsRead,
  'message.edit': ['not_found', 'not_found', 'not_found', 'not_author', 'not_found', 'not_found'],
  'message.react': adminsRead,
  'message.redact': adminsRead,
  'message.pin': adminsRead,
};

/** The same in an archived channel: read and cleaned up, no longer written. */
export const inArchivedChannel: Partial<Record<Action, Row>> = {
  'channel.view': members,
  'channel.manage': adminsUp,
  'message.send': ['not_found', 'archived', 'archived', 'archived', 'archived', 'archived'],
  'message.edit': ['not_found', 'archived', 'archived', 'archived', 'archived', 'archived'],
  'message.react': ['not_found', 'archived', 'archived', 'archived', 'archived', 'archived'],
  'message.pin': ['not_found', 'archived', 'archived', 'archived', 'archived', 'archived'],
  'message.redact': moderatorsUp,
};

/** The same in a read-only channel: moderators write, everybody reacts. */
export const inReadOnlyChannel: Partial<Record<Action, Row>> = {
  'message.send': ['not_found', 'read_only', 'ok', 'ok', 'ok', 'read_only'],
  'message.edit': ['not_found', 'read_only', 'not_author', 'not_author', 'not_author', 'read_only'],
  'message.react': members,
};

/** Acting on the person in the first column by the personas above; what is not listed is not possible at all. */
export const onPeople: Record<string, Partial<Record<Action, Row>>> = {
  moderator: {
    'member.kick': ['not_found', 'permission', 'self', 'ok', 'ok', 'permission'],
    'member.ban': ['not_found', 'permission', 'self', 'ok', 'ok', 'permission'],
    'role.assign': ['not_found', 'permission', 'permission', 'ok', 'ok', 'permission'],
  },
  otherModerator: {
    'member.kick': ['not_found', 'permission', 'rank', 'ok', 'ok', 'permission'],
    'member.ban': ['not_found', 'permission', 'rank', 'ok', 'ok', 'permission'],
  },
  otherAdmin: {
    'member.kick': ['not_found', 'permission', 'rank', 'rank', 'ok', 'permission'],
    'role.assign': ['not_found', 'permission', 'permission', 'rank', 'ok', 'permission'],
  },
  owner: {
    'member.kick': ['not_found', 'permission', 'owner', 'owner', 'self', 'permission'],
    'member.ban': ['not_found', 'permission', 'owner', 'owner', 'self', 'permission'],
    'role.assign': ['not_found', 'permission', 'permission', 'owner', 'ok', 'permission'],
  },
  instanceAdmin: {
    'member.kick': ['not_found', 'permission', 'protected', 'protected', 'protected', 'permission'],
    'member.ban': ['not_found', 'permission', 'protected', 'protected', 'protected', 'permission'],
    'role.assign': ['not_found', 'permission', 'permission', 'protected', 'protected', 'permission'],
  },
  outsider: {
    'member.kick': ['not_found', 'permission', 'not_found', 'not_found', 'not_found', 'permission'],
    'member.ban': ['not_found', 'permission', 'ok', 'ok', 'ok', 'permission'],
    'role.assign': ['not_found', 'permission', 'permission', 'not_found', 'not_found', 'permission'],
  },
  nobodyAtAll: {
    'member.kick': ['not_found', 'permission', 'not_found', 'not_found', 'not_found', 'permission'],
    'member.ban': ['not_found', 'permission', 'not_found', 'not_found', 'not_found', 'permission'],
  },
};
