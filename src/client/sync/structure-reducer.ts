// How structural events change one community's state. Pure. The law "old state + events = freshly loaded state" is
// checked with it after every service call (test/server).
import type { CommunityStructure } from '#shared/communities.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId } from '#shared/ids.ts';
import type { OverrideSummary } from '#shared/roles.ts';

/** `stale`: a version was jumped, the community is to be fetched again. `left`: it is no longer ours. */
export type Reduced = CommunityStructure | 'stale' | 'left';

type Structural = Extract<LiveEvent, { version: number }>;
const isStructural = (event: LiveEvent): event is Structural => 'version' in event;

const put = <T>(list: readonly T[], item: T, isSame: (a: T) => boolean): T[] => [
  ...list.filter((other) => !isSame(other)),
  item,
];

const isSameKey = (a: OverrideSummary, b: OverrideSummary): boolean =>
  a.groupId === b.groupId &&
  a.channelId === b.channelId &&
  a.roleId === b.roleId &&
  a.accountId === b.accountId;

function withOverride(list: readonly OverrideSummary[], o: OverrideSummary): OverrideSummary[] {
  const others = list.filter((other) => !isSameKey(other, o));
  return o.allow === 0 && o.deny === 0 ? others : [...others, o];
}

function applyRole(s: CommunityStructure, event: Structural): CommunityStructure {
  switch (event.type) {
    case 'role.changed':
      return { ...s, roles: put(s.roles, event.role, (r) => r.roleId === event.role.roleId) };
    case 'role.deleted': {
      const { roleId } = event;
      return {
        ...s,
        roles: s.roles.filter((r) => r.roleId !== roleId),
        overrides: s.overrides.filter((o) => o.roleId !== roleId),
        own: { ...s.own, roleIds: s.own.roleIds.filter((id) => id !== roleId) },
      };
    }
    case 'override.changed':
      return { ...s, overrides: withOverride(s.overrides, event.override) };
    default:
      return s;
  }
}

function applyPlace(s: CommunityStructure, event: Structural): CommunityStructure {
  switch (event.type) {
    case 'group.changed':
      return { ...s, groups: put(s.groups, event.group, (g) => g.groupId === event.group.groupId) };
    case 'group.deleted':
      return {
        ...s,
        groups: s.groups.filter((g) => g.groupId !== event.groupId),
        overrides: s.overrides.filter((o) => o.groupId !== event.groupId),
      };
    case 'channel.changed': {
      const { channel } = event;
      return { ...s, channels: put(s.channels, channel, (c) => c.channelId === channel.channelId) };
    }
    case 'channel.deleted':
      return {
        ...s,
        channels: s.channels.filter((c) => c.channelId !== event.channelId),
        overrides: s.overrides.filter((o) => o.channelId !== event.channelId),
      };
    default:
      return applyRole(s, event);
  }
}

function applyStructural(s: CommunityStructure, event: Structural, self: AccountId): CommunityStructure {
  switch (event.type) {
    case 'community.updated': {
      const { name, description, ownerId } = event;
      return { ...s, name, description, ownerId };
    }
    case 'member.joined':
    case 'member.left':
      return { ...s, memberCount: event.memberCount };
    case 'member.updated':
      return event.accountId === self
        ? { ...s, own: { ...s.own, nickname: event.nickname, roleIds: event.roleIds } }
        : s;
    default:
      return applyPlace(s, event);
  }
}

/** One event on one community's state. Events of other communities are not given to it. */
export function reduceStructure(state: Reduced, event: LiveEvent, self: AccountId): Reduced {
  if (event.type === 'community.joined') return event.community;
  if (event.type === 'community.left') return 'left';
  if (state === 'left' || state === 'stale') return state;
  if (event.type === 'channel.rekeyed') {
    const { channelId, epoch } = event;
    return {
      ...state,
      channels: state.channels.map((c) => (c.channelId === channelId ? { ...c, epoch } : c)),
    };
  }
  if (!isStructural(event) || event.version < state.version) return state;
  if (event.version > state.version + 1) return 'stale';
  return { ...applyStructural(state, event, self), version: event.version };
}
