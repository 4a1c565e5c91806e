// Permission facts from what the client knows, fed to the shared policy.
import { describe, expect, it } from 'vitest';
import { factsAt, type Self } from '#client/features/conversation/facts.ts';
import type { ChannelSummary } from '#shared/channels.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, ChannelId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import { decide, permission, rolePresets, type Action } from '#shared/permissions.ts';
import type { OverrideSummary } from '#shared/roles.ts';

const me: Self = { accountId: 'me' as AccountId, instanceRole: 'member' };
const groupId = 'group' as GroupId;
const everyoneId = 'everyone' as RoleId;
const modId = 'mod' as RoleId;

const channel: ChannelSummary = {
  channelId: 'channel' as ChannelId,
  communityId: 'community' as CommunityId,
  groupId,
  kind: 'text',
  name: 'general',
  topic: '',
  position: 0,
  isReadOnly: false,
  isArchived: false,
  slowModeMs: 0,
  historyPolicy: 'since_join',
  epoch: 1,
  createdAt: 0,
};

function community(options: Partial<CommunityStructure> = {}, roleIds: RoleId[] = []): CommunityStructure {
  return {
    communityId: 'community' as CommunityId,
    version: 1,
    name: 'Workshop',
    description: '',
    ownerId: 'owner' as AccountId,
    memberCount: 2,
    groups: [{ groupId, name: 'General', position: 0 }],
    channels: [channel],
    roles: [
      { roleId: everyoneId, name: 'everyone', colour: null, position: 0, bits: rolePresets.member.bits },
      { roleId: modId, name: 'Moderator', colour: null, position: 3, bits: rolePresets.moderator.bits },
    ],
    overrides: [],
    own: { nickname: null, roleIds, joinedAt: 0 },
    ...options,
  };
}

const override = (row: Partial<OverrideSummary>): OverrideSummary => ({
  groupId: null,
  channelId: null,
  roleId: null,
  accountId: null,
  allow: 0,
  deny: 0,
  ...row,
});

const may = (action: Action, c: CommunityStructure, rest: Parameters<typeof factsAt>[1] = {}): boolean =>
  decide(action, factsAt(me, { community: c, ...rest })).ok;

describe('in a channel', () => {
  it('lets members write, react and delete their own, not others’', () => {
    const c = community();
    expect(may('message.send', c, { channel })).toBe(true);
    expect(may('message.react', c, { channel })).toBe(true);
    expect(may('message.redact', c, { channel, isAuthor: true })).toBe(true);
    expect(may('message.redact', c, { channel, isAuthor: false })).toBe(false);
  });

  it('lets moderators delete others’', () => {
    expect(may('message.redact', community({}, [modId]), { channel, isAuthor: false })).toBe(true);
  });

  it('says read-only and archived', () => {
    const c = community();
    const readOnly = factsAt(me, { community: c, channel: { ...channel, isReadOnly: true } });
    const archived = factsAt(me, { community: c, channel: { ...channel, isArchived: true } });
    expect(decide('message.send', readOnly)).toEqual({ ok: false, reason: 'read_only' });
    expect(decide('message.send', archived)).toEqual({ ok: false, reason: 'archived' });
  });

  it('obeys overrides: everyone, then role, then member; group before channel', () => {
    const send = permission.send;
    const denied = override({ groupId, roleId: everyoneId, deny: send });
    expect(may('message.send', community({ overrides: [denied] }), { channel })).toBe(false);
    const forRole = [denied, override({ groupId, roleId: modId, allow: send })];
    expect(may('message.send', community({ overrides: forRole }, [modId]), { channel })).toBe(true);
    const forMe = [denied, override({ groupId, accountId: me.accountId, allow: send })];
    expect(may('message.send', community({ overrides: forMe }), { channel })).toBe(true);
    const atChannel = [
      override({ groupId, accountId: me.accountId, allow: send }),
      override({ channelId: channel.channelId, roleId: everyoneId, deny: send }),
    ];
    expect(may('message.send', community({ overrides: atChannel }), { channel })).toBe(false);
  });

  it('takes nothing from overrides of other channels and groups', () => {
    const others = [
      override({ channelId: 'other' as ChannelId, roleId: everyoneId, deny: permission.send }),
      override({ groupId: 'other' as GroupId, roleId: everyoneId, deny: permission.send }),
    ];
    expect(may('message.send', community({ overrides: others }), { channel })).toBe(true);
  });
});

describe('in a direct conversation', () => {
  it('lets both write, and nobody delete what the other wrote', () => {
    const dm = { ...channel, kind: 'dm' as const, communityId: null, groupId: null };
    expect(decide('message.send', factsAt(me, { channel: dm })).ok).toBe(true);
    expect(decide('message.redact', factsAt(me, { channel: dm, isAuthor: false })).ok).toBe(false);
  });
});

describe('in a community', () => {
  it('keeps making channels for those who may', () => {
    expect(may('channel.manage', community(), { groupId })).toBe(false);
    expect(may('channel.manage', community({ ownerId: me.accountId }), { groupId })).toBe(true);
  });

  it('asks for a higher rank before kicking, and never offers it on oneself or the owner', () => {
    const mod = community({}, [modId]);
    const target = (accountId: string, rank: number) => ({
      target: { accountId: accountId as AccountId, rank, isMember: true },
    });
    expect(may('member.kick', mod, target('other', 0))).toBe(true);
    expect(may('member.kick', mod, target('other', 3))).toBe(false);
    expect(may('member.kick', mod, target('owner', 1_000_000))).toBe(false);
    expect(may('member.kick', mod, target('me', 0))).toBe(false);
    expect(may('member.kick', community(), target('other', 0))).toBe(false);
  });

  it('lets owners not leave', () => {
    expect(may('community.leave', community())).toBe(true);
    expect(may('community.leave', community({ ownerId: me.accountId }))).toBe(false);
  });
});
