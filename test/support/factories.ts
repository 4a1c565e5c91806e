// Small rows for server tests that need people without keys: an account, its caller, a community with members.
import { randomUUID } from 'node:crypto';
import type { Actor, Deps } from '#server/deps.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, ChannelId, CommunityId, GroupId, RoleId, SessionId } from '#shared/ids.ts';
import type { InstanceRole } from '#shared/permissions.ts';
import { caller, type Caller } from './deps.ts';

export interface Someone {
  readonly accountId: AccountId;
  readonly actor: Actor;
  /** Procedures as this person, on a session without a device. */
  readonly api: Caller;
}

let count = 0;

/** An account row and nothing else: no credential, no device, no log. */
export async function makeSomeone(
  deps: Deps,
  options: { readonly name?: string; readonly instanceRole?: InstanceRole } = {},
): Promise<Someone> {
  const accountId = randomUUID() as AccountId;
  const name = options.name ?? `someone${(count += 1)}`;
  const { instanceRole = 'member' } = options;
  await deps.db.prisma.account.create({
    data: { id: accountId, username: `${name}-${accountId.slice(0, 8)}`, displayName: name, instanceRole },
  });
  const actor: Actor = { accountId, sessionId: randomUUID() as SessionId, deviceId: null };
  return { accountId, actor, api: caller(deps, actor) };
}

export interface World {
  readonly owner: Someone;
  readonly communityId: CommunityId;
  readonly groupId: GroupId;
  /** #general */
  readonly channelId: ChannelId;
  readonly roles: { readonly everyone: RoleId; readonly moderator: RoleId; readonly admin: RoleId };
}

function rolesOf(structure: CommunityStructure): World['roles'] {
  const at = (position: number): RoleId => {
    const role = structure.roles.find((r) => r.position === position);
    if (!role) throw new Error(`no role at ${position}`);
    return role.roleId;
  };
  return { everyone: at(0), moderator: at(1), admin: at(2) };
}

/** A community as `communities.create` makes it. */
export async function makeWorld(deps: Deps, owner?: Someone): Promise<World> {
  const by = owner ?? (await makeSomeone(deps, { name: 'owner' }));
  const structure = await by.api.communities.create({ name: 'World' });
  const [channel] = structure.channels;
  if (!channel?.groupId) throw new Error('a community starts with a channel in a group');
  const { channelId, groupId } = channel;
  return { owner: by, communityId: structure.communityId, groupId, channelId, roles: rolesOf(structure) };
}

/** Somebody who joined by an invite, with the given roles. */
export async function makeMember(
  deps: Deps,
  world: World,
  options: {
    readonly name?: string;
    readonly instanceRole?: InstanceRole;
    readonly roles?: readonly RoleId[];
  } = {},
): Promise<Someone> {
  const someone = await makeSomeone(deps, options);
  const { communityId, owner } = world;
  const { code } = await owner.api.invites.create({ communityId });
  await someone.api.invites.accept({ code });
  await owner.api.invites.revoke({ code });
  for (const roleId of options.roles ?? []) {
    await owner.api.roles.assign({ roleId, accountId: someone.accountId });
  }
  return someone;
}
