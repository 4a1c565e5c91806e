// Facts for `decide` from what this client knows: whether to show a button, and why something is not possible. The
// server decides again with its own facts. Pure.
import type { ChannelSummary } from '#shared/channels.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, GroupId, RoleId } from '#shared/ids.ts';
import {
  dmBits,
  ownerRank,
  resolveBits,
  type AllowDeny,
  type ChannelFacts,
  type CommunityFacts,
  type Facts,
  type GroupFacts,
  type InstanceRole,
  type OverrideSet,
} from '#shared/permissions.ts';
import type { OverrideSummary } from '#shared/roles.ts';

/** The signed-in person. */
export interface Self {
  readonly accountId: AccountId;
  readonly instanceRole: InstanceRole;
}

/** Where something is to be done, and on what. */
export interface Place {
  readonly community?: CommunityStructure | null;
  readonly channel?: ChannelSummary | null;
  readonly groupId?: GroupId | null;
  readonly isAuthor?: boolean;
  readonly isInviteOwn?: boolean;
  readonly target?: { readonly accountId: AccountId; readonly rank: number; readonly isMember: boolean };
}

const everyoneRole = (c: CommunityStructure) => c.roles.find((role) => role.position === 0);
const heldRoles = (c: CommunityStructure) => c.roles.filter((role) => c.own.roleIds.includes(role.roleId));

function overrideSet(c: CommunityStructure, rows: readonly OverrideSummary[], self: Self): OverrideSet {
  const ofRole = (roleId: RoleId | undefined): AllowDeny | undefined =>
    rows.find((row) => row.roleId !== null && row.roleId === roleId);
  const everyone = ofRole(everyoneRole(c)?.roleId);
  const member = rows.find((row) => row.accountId === self.accountId);
  return {
    roles: heldRoles(c).flatMap((role) => (role.position === 0 ? [] : (ofRole(role.roleId) ?? []))),
    ...(everyone ? { everyone } : {}),
    ...(member ? { member } : {}),
  };
}

function bitsAt(
  c: CommunityStructure,
  self: Self,
  at: { groupId?: GroupId | null; channel?: ChannelSummary },
): number {
  const rowsOfGroup = c.overrides.filter((row) => at.groupId != null && row.groupId === at.groupId);
  const rowsOfChannel = c.overrides.filter((row) => at.channel && row.channelId === at.channel.channelId);
  return resolveBits({
    isOwner: c.ownerId === self.accountId,
    everyone: everyoneRole(c)?.bits ?? 0,
    roles: heldRoles(c).map((role) => role.bits),
    levels: [rowsOfGroup, rowsOfChannel].map((rows) => overrideSet(c, rows, self)),
  });
}

function communityFacts(c: CommunityStructure, self: Self): CommunityFacts {
  const isOwner = c.ownerId === self.accountId;
  const rank = isOwner ? ownerRank : Math.max(0, ...heldRoles(c).map((role) => role.position));
  return { isMember: true, isOwner, isBanned: false, bits: bitsAt(c, self, {}), rank };
}

/** A channel in the structure is one this account reads: the server names no others. */
function channelFacts(channel: ChannelSummary, c: CommunityStructure | null, self: Self): ChannelFacts {
  const { kind, isReadOnly, isArchived, groupId } = channel;
  const bits = c ? bitsAt(c, self, { groupId, channel }) : dmBits;
  return { kind, isReader: true, bits, isReadOnly, isArchived };
}

const groupFacts = (c: CommunityStructure, self: Self, groupId: GroupId): GroupFacts => ({
  isVisible: true,
  bits: bitsAt(c, self, { groupId }),
});

/** Everything `decide` may ask about this person doing something at this place. */
export function factsAt(self: Self, place: Place): Facts {
  const { community, channel, groupId, isAuthor, isInviteOwn, target } = place;
  return {
    instanceRole: self.instanceRole,
    isSuspended: false,
    ...(community ? { community: communityFacts(community, self) } : {}),
    ...(channel ? { channel: channelFacts(channel, community ?? null, self) } : {}),
    ...(community && groupId ? { group: groupFacts(community, self, groupId) } : {}),
    ...(isAuthor === undefined ? {} : { message: { isAuthor } }),
    ...(isInviteOwn === undefined ? {} : { invite: { isCreator: isInviteOwn } }),
    ...(target
      ? {
          target: {
            isSelf: target.accountId === self.accountId,
            rank: target.rank,
            // Others' rank on the instance is not told to clients; the server knows it and refuses.
            instanceRole: 'member',
            isMember: target.isMember,
          },
        }
      : {}),
  };
}
