// Every role × every action × every scope: the policy on facts made by hand, and `requireAction` on facts loaded
// from a real community, both against the table in expectations.ts.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireAction, type AccessRefs } from '#server/access.ts';
import type { Deps } from '#server/deps.ts';
import { AppError } from '#shared/errors.ts';
import type { AccountId, ChannelId, EventId } from '#shared/ids.ts';
import {
  actions,
  allPermissions,
  decide,
  ownerRank,
  permission,
  resolveBits,
  rolePresets,
  type Action,
  type Facts,
  type TargetFacts,
} from '#shared/permissions.ts';
import { testDeps } from '#test/support/deps.ts';
import { makeMember, makeSomeone, makeWorld, type Someone, type World } from '#test/support/factories.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';
import {
  inArchivedChannel,
  inHiddenChannel,
  inOpenChannel,
  inReadOnlyChannel,
  onPeople,
  personas,
  type Outcome,
  type Persona,
} from './expectations.ts';

const everyAction = Object.keys(actions) as Action[];
const scopes = {
  open: inOpenChannel,
  hidden: inHiddenChannel,
  archived: inArchivedChannel,
  readOnly: inReadOnlyChannel,
} as const;
type Scope = keyof typeof scopes;

interface Case {
  readonly name: string;
  readonly action: Action;
  readonly persona: Persona;
  readonly scope: Scope;
  readonly target: string;
  readonly expected: Outcome;
}

const casesOf = (scope: Scope, target: string, table: Partial<Record<Action, readonly Outcome[]>>): Case[] =>
  everyAction.flatMap((action) =>
    (table[action] ?? []).map((expected, column) => {
      const persona = personas[column]!;
      return {
        name: `${persona} ${action} (${scope}, ${target}): ${expected}`,
        action,
        persona,
        scope,
        target,
        expected,
      };
    }),
  );
const cases: Case[] = [
  ...(Object.keys(scopes) as Scope[]).flatMap((scope) => casesOf(scope, 'member', scopes[scope])),
  ...Object.entries(onPeople).flatMap(([target, table]) => casesOf('open', target, table)),
];

const member = rolePresets.member.bits;
const bitsByHand: Record<Persona, number> = {
  stranger: 0,
  member,
  moderator: rolePresets.moderator.bits,
  admin: allPermissions,
  owner: allPermissions,
  instanceAdmin: member,
};
const rankByHand: Record<string, number> = {
  stranger: 0,
  member: 0,
  moderator: 1,
  otherModerator: 1,
  admin: 2,
  otherAdmin: 2,
  owner: ownerRank,
  instanceAdmin: 0,
  outsider: 0,
};

function targetByHand(persona: Persona, target: string): TargetFacts | undefined {
  if (target === 'nobodyAtAll') return undefined;
  return {
    isSelf: persona === target && target !== 'member',
    rank: rankByHand[target] ?? 0,
    instanceRole: target === 'instanceAdmin' ? 'admin' : 'member',
    isMember: target !== 'outsider',
  };
}

function factsByHand({ persona, scope, target }: Case): Facts {
  const isMember = persona !== 'stranger';
  const seesHidden = persona === 'admin';
  const hides = scope === 'hidden' && !seesHidden;
  return {
    instanceRole: persona === 'instanceAdmin' ? 'admin' : 'member',
    isSuspended: false,
    community: {
      isMember,
      isOwner: persona === 'owner',
      isBanned: false,
      bits: bitsByHand[persona],
      rank: rankByHand[persona] ?? 0,
    },
    channel: {
      kind: 'text',
      isReader: isMember && !hides,
      bits: hides ? bitsByHand[persona] & ~permission.view : bitsByHand[persona],
      isReadOnly: scope === 'readOnly',
      isArchived: scope === 'archived',
    },
    target: targetByHand(persona, target),
    targetRole: { position: 1, bits: rolePresets.moderator.bits },
    changedBits: permission.send,
    message: { isAuthor: false },
    invite: { isCreator: false },
  };
}

describe('decide', () => {
  it.each(cases)('$name', (one) => {
    const facts = factsByHand(one);
    // Assigning to a plain moderator role is about the role as well as the person; the loader gives both.
    const decision = decide(one.action, facts);
    expect(decision.ok ? 'ok' : decision.reason).toBe(one.expected);
  });

  it('has an expectation for every action', () => {
    expect(Object.keys(inOpenChannel).sort()).toEqual([...everyAction].sort());
  });

  it.each(everyAction)('refuses a suspended account %s', (action) => {
    const facts: Facts = { instanceRole: 'owner', isSuspended: true };
    expect(decide(action, facts)).toEqual({ ok: false, reason: 'suspended' });
  });

  it.each(
    everyAction.filter((a) => !['account.use', 'community.create', 'dm.open', 'invite.accept'].includes(a)),
  )('refuses %s when nothing is known of the place', (action) => {
    expect(decide(action, { instanceRole: 'member', isSuspended: false }).ok).toBe(false);
  });
});

describe('requireAction', () => {
  let db: TestDatabase;
  let deps: Deps;
  let world: World;
  const people: Partial<Record<string, Someone>> = {};
  const channels: Partial<Record<Scope, ChannelId>> = {};
  const messages: Partial<Record<Scope, EventId>> = {};
  let inviteCode = '';

  async function makePeople(): Promise<void> {
    const { moderator, admin } = world.roles;
    people.owner = world.owner;
    people.stranger = await makeSomeone(deps);
    people.outsider = await makeSomeone(deps);
    people.member = await makeMember(deps, world);
    people.moderator = await makeMember(deps, world, { roles: [moderator] });
    people.otherModerator = await makeMember(deps, world, { roles: [moderator] });
    people.admin = await makeMember(deps, world, { roles: [admin] });
    people.otherAdmin = await makeMember(deps, world, { roles: [admin] });
    people.instanceAdmin = await makeMember(deps, world, { instanceRole: 'admin' });
    people.author = await makeMember(deps, world);
  }

  async function makeMessage(channelId: ChannelId): Promise<EventId> {
    const eventId = randomUUID() as EventId;
    const senderAccountId = people.author!.accountId;
    await db.prisma.channelEvent.create({
      data: {
        channelId,
        seq: 1,
        eventId,
        class: 'message',
        senderAccountId,
        senderDeviceId: randomUUID(),
        epoch: 1,
        envelopeHash: new Uint8Array(32),
        createdAt: new Date(),
      },
    });
    return eventId;
  }

  async function makeChannels(): Promise<void> {
    const { owner, communityId, groupId, roles } = world;
    const make = async (name: string): Promise<ChannelId> =>
      (await owner.api.channels.create({ communityId, groupId, name })).channelId;
    channels.open = world.channelId;
    channels.archived = await make('archived');
    channels.readOnly = await make('read-only');
    channels.hidden = await make('hidden');
    await owner.api.channels.update({ channelId: channels.archived, isArchived: true });
    await owner.api.channels.update({ channelId: channels.readOnly, isReadOnly: true });
    const { view } = permission;
    const at = { communityId, channelId: channels.hidden };
    await people.admin!.api.roles.setOverride({
      ...at,
      roleId: roles.moderator,
      allow: 0,
      deny: permission.embed,
    });
    await owner.api.roles.setOverride({ ...at, roleId: roles.admin, allow: view, deny: 0 });
    await people.admin!.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: view });
    for (const scope of Object.keys(scopes) as Scope[]) messages[scope] = await makeMessage(channels[scope]!);
  }

  beforeAll(async () => {
    db = await openTestDatabase();
    ({ deps } = await testDeps(db));
    world = await makeWorld(deps);
    await makePeople();
    await makeChannels();
    const invite = await people.author!.api.invites.create({ communityId: world.communityId });
    inviteCode = invite.code;
  });
  afterAll(() => db.close());

  function refsOf({ action, scope, target, persona }: Case): AccessRefs {
    const { communityId, roles } = world;
    // The member acted on is another one than the member who acts.
    const name = target === 'member' && persona === 'member' ? 'author' : target;
    const targetAccountId = people[name]?.accountId ?? (randomUUID() as AccountId);
    const channelId = channels[scope]!;
    if (action === 'override.set') {
      return {
        communityId,
        channelId,
        roleId: roles.moderator,
        grant: { bits: 0 },
        changedBits: permission.send,
      };
    }
    if (action === 'channel.manage') return { communityId, channelId };
    if (action === 'channel.view' || action === 'message.send') return { channelId };
    if (action.startsWith('message.')) return { channelId, messageEventId: messages[scope]! };
    if (action === 'invite.revoke') return { communityId, inviteCode };
    if (action === 'role.manage') return { communityId, roleId: roles.moderator };
    if (action === 'role.assign') return { communityId, roleId: roles.moderator, targetAccountId };
    if (action === 'member.kick' || action === 'member.ban') return { communityId, targetAccountId };
    return { communityId };
  }

  it.each(cases)('$name', async (one) => {
    const { actor } = people[one.persona]!;
    const outcome = await requireAction(db, actor, one.action, refsOf(one)).then(
      () => 'ok',
      (cause: unknown) => {
        if (!(cause instanceof AppError)) throw cause;
        const { payload } = cause;
        return payload.code === 'forbidden' ? payload.reason : payload.code;
      },
    );
    expect(outcome).toBe(one.expected);
  });

  it('reads the ids of another community as absent', async () => {
    const other = await makeWorld(deps, people.admin);
    const { communityId } = world;
    const { actor } = world.owner;
    const foreign: [Action, AccessRefs][] = [
      ['channel.manage', { communityId, groupId: other.groupId }],
      ['channel.manage', { communityId, channelId: other.channelId }],
      ['role.manage', { communityId, roleId: other.roles.moderator }],
      [
        'role.assign',
        { communityId, roleId: other.roles.moderator, targetAccountId: people.member!.accountId },
      ],
    ];
    for (const [action, refs] of foreign) {
      await expect(requireAction(db, actor, action, refs)).rejects.toMatchObject({
        payload: { code: 'not_found' },
      });
    }
  });

  it('refuses the suspended, and accounts that are gone', async () => {
    const { actor, accountId } = await makeSomeone(deps);
    await db.prisma.account.update({ where: { id: accountId }, data: { suspendedAt: new Date() } });
    await expect(requireAction(db, actor, 'community.create', {})).rejects.toMatchObject({
      payload: { code: 'forbidden', reason: 'suspended' },
    });
    await db.prisma.account.update({ where: { id: accountId }, data: { deletedAt: new Date() } });
    await expect(requireAction(db, actor, 'community.create', {})).rejects.toMatchObject({
      payload: { code: 'unauthenticated' },
    });
  });
});

describe('resolveBits', () => {
  const { view, send, pin } = permission;

  it('applies everyone, then roles together, then the member; the group first, then the channel', () => {
    const bits = resolveBits({
      isOwner: false,
      everyone: view | send,
      roles: [pin],
      levels: [
        {
          everyone: { allow: 0, deny: view },
          roles: [{ allow: view, deny: send }],
          member: { allow: send, deny: 0 },
        },
        { everyone: { allow: 0, deny: send }, roles: [], member: { allow: 0, deny: pin } },
      ],
    });
    expect(bits).toBe(view);
  });

  it('lets an allowing role win over a denying one of the same layer', () => {
    const roles = [
      { allow: 0, deny: view },
      { allow: view, deny: 0 },
    ];
    expect(resolveBits({ isOwner: false, everyone: view, roles: [], levels: [{ roles }] })).toBe(view);
  });

  it('gives owners all that no override denies', () => {
    const levels = [{ everyone: { allow: 0, deny: view }, roles: [] }];
    expect(resolveBits({ isOwner: true, everyone: 0, roles: [], levels })).toBe(allPermissions & ~view);
  });
});
