// A community on a real server with people whose engines and sockets are real: for tests of the live stream.
import { RealPerson, type Line } from '../../client/support/real-person.ts';
import { setupToken } from '../../support/deps.ts';
import type { TestServer } from '../../support/server.ts';
import type { LiveEvent, LiveEventType } from '#shared/events.ts';
import type { ChannelId, CommunityId, GroupId } from '#shared/ids.ts';
import { permission } from '#shared/permissions.ts';

export interface Home {
  readonly line: Line;
  readonly ada: RealPerson;
  readonly communityId: CommunityId;
  readonly groupId: GroupId;
  /** Everybody reads it. */
  readonly general: ChannelId;
  /** Explicit readers: nobody but the owner and who is let in. */
  readonly closed: ChannelId;
  /** Registers somebody and lets them into the community, and into #closed. */
  bring(username: string): Promise<RealPerson>;
}

export function lineTo(server: TestServer): Line {
  return { url: server.url, origin: server.origin, wire: [] };
}

/** Ada owns the instance and a community with an open and a closed channel. */
export async function makeHome(server: TestServer): Promise<Home> {
  const line = lineTo(server);
  const ada = await RealPerson.join(line, { username: 'ada', setupToken });
  const { api } = ada;
  const made = await api.communities.create.mutate({ name: 'Home' });
  const { communityId, channels, roles } = made;
  const [first] = channels;
  const everyone = roles.find((role) => role.position === 0);
  if (!first?.groupId || !everyone) throw new Error('a community starts with a channel and a role');
  const { channelId: general, groupId } = first;
  const { channelId: closed } = await api.channels.create.mutate({ communityId, groupId, name: 'closed' });
  const scope = { communityId, channelId: closed };
  const { view } = permission;
  await api.roles.setOverride.mutate({ ...scope, accountId: ada.accountId, allow: view, deny: 0 });
  await api.roles.setOverride.mutate({ ...scope, roleId: everyone.roleId, allow: 0, deny: view });
  const bring = async (username: string): Promise<RealPerson> => {
    const { code } = await api.invites.create.mutate({ communityId });
    const person = await RealPerson.join(line, { username, inviteCode: code });
    const memberships = await person.api.live.bootstrap.query({ known: [] });
    if (memberships.communities.length === 0) await person.api.invites.accept.mutate({ code });
    const { accountId } = person;
    await api.roles.setOverride.mutate({ ...scope, accountId, allow: view, deny: 0 });
    return person;
  };
  return { line, ada, communityId, groupId, general, closed, bring };
}

/** Events after the first one of this type. */
export function after(events: readonly LiveEvent[], type: LiveEventType): LiveEvent[] {
  const at = events.findIndex((event) => event.type === type);
  if (at < 0) throw new Error(`no ${type}`);
  return events.slice(at + 1);
}

/** Waits so long that anything still under way would have arrived: presence leaves the server every 2 s. */
export const settle = (ms = 400): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
