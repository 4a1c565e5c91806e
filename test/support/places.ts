// Communities and direct messages as bare rows, for tests of domains to the left of them.
import { randomUUID } from 'node:crypto';
import type { Database } from '#server/platform/db.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';

interface Member {
  readonly accountId: AccountId;
}

/** A community everybody in it reads one channel of. */
export async function placeCommunity(
  db: Database,
  members: readonly Member[],
): Promise<{ communityId: CommunityId; channelId: ChannelId }> {
  const [communityId, groupId, channelId] = [randomUUID(), randomUUID(), randomUUID()];
  const joinedAt = new Date();
  const ownerId = members[0]?.accountId ?? randomUUID();
  await db.prisma.community.create({
    data: { id: communityId, name: 'Home', ownerId, memberCount: members.length },
  });
  await db.prisma.role.create({
    data: { id: randomUUID(), communityId, name: 'everyone', position: 0, bits: 1 },
  });
  await db.prisma.member.createMany({
    data: members.map(({ accountId }) => ({ communityId, accountId, joinedAt })),
  });
  await db.prisma.group.create({ data: { id: groupId, communityId, name: 'General', position: 0 } });
  await db.prisma.channel.create({
    data: { id: channelId, communityId, groupId, kind: 'text', name: 'general', audience: 'community' },
  });
  return { communityId: communityId as CommunityId, channelId: channelId as ChannelId };
}

/** A direct conversation of two people. */
export async function placeDm(db: Database, a: Member, b: Member): Promise<ChannelId> {
  const id = randomUUID();
  const dmKey = [a.accountId, b.accountId].sort().join(':');
  await db.prisma.channel.create({ data: { id, kind: 'dm', dmKey, audience: 'restricted' } });
  const sinceAt = new Date();
  const readers = [a, b].map(({ accountId }) => ({ channelId: id, accountId, sinceAt }));
  await db.prisma.channelReader.createMany({ data: readers });
  return id as ChannelId;
}
