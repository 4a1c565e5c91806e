// What the rows of the bad-input table speak of: Ada owns it all, Eve shares nothing with her.
import type { Deps } from '#server/deps.ts';
import type { ChannelId, GroupId } from '#shared/ids.ts';
import { registerPerson } from '../support/people.ts';
import type { World } from './bad-input-table.ts';

/** Builds it in an empty database. */
export async function buildWorld(deps: Deps): Promise<World> {
  const ada = await registerPerson(deps, { username: 'ada', units: 1 });
  const eve = await registerPerson(deps, { username: 'eve' });
  const made = await ada.api.communities.create({ name: 'Private' });
  const { communityId } = made;
  const role = await ada.api.roles.create({ communityId, name: 'Staff', bits: 1 });
  const invite = await ada.api.invites.create({ communityId });
  await ada.api.instance.configure({ name: 'Test', registration: 'invite' });
  const channel = await deps.db.prisma.channel.findFirstOrThrow({ where: { communityId } });
  return {
    ada,
    eve,
    communityId,
    groupId: channel.groupId as GroupId,
    channelId: channel.id as ChannelId,
    roleId: role.roleId,
    inviteCode: invite.code,
    eventId: '01890000-0000-7000-8000-000000000000',
  };
}
