// The whole policy: permission bits, the action table and `decide`. The server uses it to protect,
// the client to show or hide. Pure; facts are loaded by access.ts (server) or app state (client).
import type { ForbiddenReason } from './errors.ts';

/** Permission bits (31 usable, stored as int4). */
export const permission = {
  view: 1 << 0,
  send: 1 << 1,
  sendInThreads: 1 << 2,
  attach: 1 << 3,
  embed: 1 << 4,
  react: 1 << 5,
  mentionEveryone: 1 << 6,
  manageMessages: 1 << 7,
  pin: 1 << 8,
  manageChannels: 1 << 9,
  manageRoles: 1 << 10,
  manageCommunity: 1 << 11,
  manageEmoji: 1 << 12,
  manageWebhooks: 1 << 13,
  invite: 1 << 14,
  kick: 1 << 15,
  ban: 1 << 16,
  timeout: 1 << 17,
  viewAuditLog: 1 << 18,
  connect: 1 << 19,
  speak: 1 << 20,
  video: 1 << 21,
  muteOthers: 1 << 22,
  moveOthers: 1 << 23,
  prioritySpeaker: 1 << 24,
} as const;
export type Permission = keyof typeof permission;

export const allPermissions = Object.values(permission).reduce((all, bit) => all | bit, 0);
const bits = (...names: Permission[]): number => names.reduce((all, name) => all | permission[name], 0);

const everyoneBits = bits(
  ...([
    'view',
    'send',
    'sendInThreads',
    'attach',
    'embed',
    'react',
    'invite',
    'connect',
    'speak',
    'video',
  ] as const),
);
const moderatorBits =
  everyoneBits |
  bits(
    'mentionEveryone',
    'manageMessages',
    'pin',
    'kick',
    'ban',
    'timeout',
    'viewAuditLog',
    'muteOthers',
    'moveOthers',
  );

/** Built-in role presets, highest first; `member` is the everyone role of a new community. */
export const rolePresets = {
  admin: { name: 'Admin', bits: allPermissions },
  moderator: { name: 'Moderator', bits: moderatorBits },
  member: { name: 'everyone', bits: everyoneBits },
} as const;

export interface AllowDeny {
  readonly allow: number;
  readonly deny: number;
}

export interface OverrideSet {
  readonly everyone?: AllowDeny;
  readonly roles: readonly AllowDeny[];
  readonly member?: AllowDeny;
}

/**
 * Bits of one member: everyone, then roles OR-ed, then overrides — first the group's, then the channel's,
 * each applied for everyone, roles (OR-ed), member: `perm = (perm & ~deny) | allow` (architecture §7).
 * Community owners hold every bit that no override denies; instance rank grants nothing here.
 */
export function resolveBits(input: {
  readonly isOwner: boolean;
  readonly everyone: number;
  readonly roles: readonly number[];
  readonly levels: readonly OverrideSet[];
}): number {
  let perm = input.isOwner ? allPermissions : input.roles.reduce((all, role) => all | role, input.everyone);
  const apply = (layer: AllowDeny): void => {
    perm = (perm & ~layer.deny) | layer.allow;
  };
  for (const level of input.levels) {
    if (level.everyone) apply(level.everyone);
    apply(
      level.roles.reduce((all, o) => ({ allow: all.allow | o.allow, deny: all.deny | o.deny }), {
        allow: 0,
        deny: 0,
      }),
    );
    if (level.member) apply(level.member);
  }
  return perm;
}

export type InstanceRole = 'owner' | 'admin' | 'member';
const instanceRank: Record<InstanceRole, number> = { member: 0, admin: 1, owner: 2 };

/** Rank of the community owner; roles rank by their position (everyone = 0), always below it. */
export const ownerRank = 1_000_000;

export interface CommunityFacts {
  readonly isMember: boolean;
  readonly isOwner: boolean;
  readonly isBanned: boolean;
  /** Community-level bits (no overrides). */
  readonly bits: number;
  /** Highest role position; `ownerRank` for the owner. */
  readonly rank: number;
}

export interface ChannelFacts {
  readonly kind: 'text' | 'voice' | 'gallery' | 'dm' | 'group_dm';
  /** In `channel_reader`: exactly the accounts that get keys. */
  readonly isReader: boolean;
  /** Channel-level bits after overrides; for DMs `dmBits`. */
  readonly bits: number;
  readonly isReadOnly: boolean;
  readonly isArchived: boolean;
}

/** A group acted on or in. */
export interface GroupFacts {
  /** Sees the group: its view bit, a channel read inside it, or community ownership. */
  readonly isVisible: boolean;
  /** Group-level bits after its overrides. */
  readonly bits: number;
}

export interface TargetFacts {
  readonly isSelf: boolean;
  readonly rank: number;
  readonly instanceRole: InstanceRole;
  /** False when the target is not a member (a pre-ban is still possible). */
  readonly isMember: boolean;
}

export interface Facts {
  readonly instanceRole: InstanceRole;
  readonly isSuspended: boolean;
  readonly community?: CommunityFacts | undefined;
  readonly channel?: ChannelFacts | undefined;
  readonly group?: GroupFacts | undefined;
  /** The person acted on. */
  readonly target?: TargetFacts | undefined;
  /** The role acted on: its position (the higher one when it moves) and the bits handed out with it. */
  readonly targetRole?: { readonly position: number; readonly bits: number } | undefined;
  /** Bits an override would change, in either direction: nobody decides about bits they lack. */
  readonly changedBits?: number | undefined;
  /** The message acted on. */
  readonly message?: { readonly isAuthor: boolean } | undefined;
  /** The invite acted on. */
  readonly invite?: { readonly isCreator: boolean } | undefined;
}

/** What a DM gives both sides. */
export const dmBits = bits('view', 'send', 'sendInThreads', 'attach', 'embed', 'react', 'pin');

type Rule = (facts: Facts) => Decision;
export type Decision =
  { readonly ok: true } | { readonly ok: false; readonly reason: ForbiddenReason | 'not_found' };

const allow: Decision = { ok: true };
const refuse = (reason: ForbiddenReason | 'not_found'): Decision => ({ ok: false, reason });
const all =
  (...rules: Rule[]): Rule =>
  (facts) => {
    for (const rule of rules) {
      const decision = rule(facts);
      if (!decision.ok) return decision;
    }
    return allow;
  };

const signedIn: Rule = () => allow;
const instanceStaff: Rule = (f) => (f.instanceRole === 'member' ? refuse('permission') : allow);
const instanceOwner: Rule = (f) => (f.instanceRole === 'owner' ? allow : refuse('permission'));
const member: Rule = (f) => (f.community?.isMember ? allow : refuse('not_found'));
const owner: Rule = (f) => (f.community?.isOwner ? allow : refuse('permission'));
const notOwner: Rule = (f) => (f.community?.isOwner ? refuse('owner') : allow);
const communityBit =
  (name: Permission): Rule =>
  (f) =>
    ((f.community?.bits ?? 0) & permission[name]) !== 0 ? allow : refuse('permission');
const isReadable = (f: Facts): boolean => !!f.channel?.isReader && (f.channel.bits & permission.view) !== 0;
const reader: Rule = (f) => (isReadable(f) ? allow : refuse('not_found'));
const channelBit =
  (name: Permission): Rule =>
  (f) =>
    ((f.channel?.bits ?? 0) & permission[name]) !== 0 ? allow : refuse('permission');
const open: Rule = (f) => (f.channel?.isArchived ? refuse('archived') : allow);
const writable: Rule = (f) =>
  f.channel?.isReadOnly && (f.channel.bits & permission.manageMessages) === 0 ? refuse('read_only') : allow;
const author: Rule = (f) => (f.message?.isAuthor ? allow : refuse('not_author'));
const authorOrModerator: Rule = (f) => (f.message?.isAuthor ? allow : channelBit('manageMessages')(f));
const inviterOrManager: Rule = (f) => (f.invite?.isCreator ? allow : communityBit('manageCommunity')(f));
const notSelf: Rule = (f) => (f.target?.isSelf ? refuse('self') : allow);
const targetMember: Rule = (f) => (f.target?.isMember ? allow : refuse('not_found'));

/** Bits where the act takes place: the channel's, else the group's, else the community's. */
const placeBits = (f: Facts): number => f.channel?.bits ?? f.group?.bits ?? f.community?.bits ?? 0;
/** One manages only what one sees. Owners also reach what they may not read, so nothing is locked for ever. */
const placeSeen: Rule = (f) => {
  if (f.community?.isOwner) return allow;
  const isSeen = f.channel ? isReadable(f) : (f.group?.isVisible ?? true);
  return isSeen ? allow : refuse('not_found');
};
const placeBit =
  (name: Permission): Rule =>
  (f) =>
    f.community?.isOwner || (placeBits(f) & permission[name]) !== 0 ? allow : refuse('permission');

/**
 * Acting on people needs a strictly higher rank, on one scale: instance rank first, then rank in the community.
 * Nobody removes a community's owner; instance staff are protected from community staff.
 */
const outranksTarget: Rule = (f) => {
  const { target, community } = f;
  if (!target || !community) return refuse('not_found');
  if (target.rank >= ownerRank) return refuse('owner');
  const lead = instanceRank[f.instanceRole] - instanceRank[target.instanceRole];
  if (lead !== 0) return lead > 0 ? allow : refuse('protected');
  return community.rank > target.rank ? allow : refuse('rank');
};
const outranksTargetOrSelf: Rule = (f) => (f.target?.isSelf ? allow : outranksTarget(f));
/** One cannot hand out, edit or take a role at or above one's own, nor grant bits one lacks. */
const outranksRole: Rule = (f) => {
  if (!f.targetRole || !f.community) return refuse('not_found');
  if (f.community.rank <= f.targetRole.position) return refuse('rank');
  return f.community.isOwner || (f.targetRole.bits & ~f.community.bits) === 0 ? allow : refuse('permission');
};
/** An override speaks of a role below one's own or of a person one outranks (or oneself). */
const outranksSubject: Rule = (f) =>
  f.targetRole ? outranksRole(f) : all(targetMember, outranksTargetOrSelf)(f);
const holdsChangedBits: Rule = (f) =>
  f.community?.isOwner || ((f.changedBits ?? 0) & ~placeBits(f)) === 0 ? allow : refuse('permission');

/** Every action there is, with its rule. Every procedure names one, or is on the public list. */
export const actions = {
  'account.use': signedIn,
  'instance.configure': instanceOwner,
  'instance.observe': instanceStaff,
  'community.create': signedIn,
  'community.view': member,
  'community.update': all(member, communityBit('manageCommunity')),
  'community.delete': all(member, owner),
  'community.leave': all(member, notOwner),
  'member.list': member,
  'member.kick': all(member, communityBit('kick'), notSelf, targetMember, outranksTarget),
  'member.ban': all(member, communityBit('ban'), notSelf, outranksTarget),
  'member.unban': all(member, communityBit('ban')),
  'invite.accept': signedIn,
  'invite.create': all(member, communityBit('invite')),
  'invite.list': all(member, communityBit('invite')),
  'invite.revoke': all(member, inviterOrManager),
  'channel.manage': all(member, placeSeen, placeBit('manageChannels')),
  'role.manage': all(member, communityBit('manageRoles'), outranksRole),
  'role.assign': all(member, communityBit('manageRoles'), targetMember, outranksRole, outranksTargetOrSelf),
  'override.set': all(member, placeSeen, placeBit('manageRoles'), outranksSubject, holdsChangedBits),
  'dm.open': signedIn,
  'channel.view': reader,
  'message.send': all(reader, open, writable, channelBit('send')),
  'message.edit': all(reader, open, writable, channelBit('send'), author),
  'message.react': all(reader, open, channelBit('react')),
  'message.redact': all(reader, authorOrModerator),
  'message.pin': all(reader, open, channelBit('pin')),
} as const satisfies Record<string, Rule>;
export type Action = keyof typeof actions;

/**
 * May this be done? A refusal for things one may not see reads `not_found`.
 * Suspension refuses everything.
 */
export function decide(action: Action, facts: Facts): Decision {
  if (facts.isSuspended) return refuse('suspended');
  return actions[action](facts);
}
