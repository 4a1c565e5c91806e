// Many people at once: accounts with one device and one session each, written straight into the database, because
// registering thousands through the procedures (with their password hashes and key ceremonies) would take longer than
// the benchmark. Their tokens are real, and so is everything they do.
import type { DeviceActor, Deps } from '#server/deps.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import { caller } from '#test/support/deps.ts';

/** Accounts with a device and a live session. */
export async function addPeople(deps: Deps, count: number): Promise<DeviceActor[]> {
  return deps.db.session((session) =>
    session.rows<DeviceActor>(
      `WITH made AS MATERIALIZED (
         SELECT n, gen_random_uuid() AS a, gen_random_uuid() AS d, gen_random_uuid() AS s
         FROM generate_series(1, $1::int4) n
       ), accounts AS (
         INSERT INTO "Account" (id, username, "displayName") SELECT a, 'bench' || n, 'Bench ' || n FROM made
       ), devices AS (
         INSERT INTO "Device" (id, "accountId", label, "signingKey", "addedSeq")
         SELECT d, a, 'bench', decode(replace(d::text, '-', ''), 'hex'), 0 FROM made
       ), sessions AS (
         INSERT INTO "Session" (id, "accountId", "deviceId", "refreshHash", "rotatedAt", "userAgent", address,
           "createdAt", "lastUsedAt", "expiresAt")
         SELECT s, a, d, decode(replace(s::text, '-', ''), 'hex'), now(), 'bench', '127.0.0.1', now(), now(),
           now() + interval '30 days' FROM made
       )
       SELECT a AS "accountId", d AS "deviceId", s AS "sessionId" FROM made ORDER BY n`,
      [count],
    ),
  );
}

export const tokensOf = (deps: Deps, people: readonly DeviceActor[]): Promise<string[]> =>
  Promise.all(people.map((actor) => deps.tokens.sign(actor)));

/** A community of these people, the first its owner; its channel's readers are all of them. */
export async function addCommunity(
  deps: Deps,
  members: readonly DeviceActor[],
): Promise<{ communityId: CommunityId; channelId: ChannelId }> {
  const [owner, ...others] = members;
  if (!owner) throw new Error('a community needs an owner');
  const { communityId, channels } = await caller(deps, owner).communities.create({ name: 'Bench' });
  const channelId = channels[0]?.channelId;
  if (!channelId) throw new Error('a community starts with a channel');
  await deps.db.query(
    'bench.join',
    `WITH joined AS (
       INSERT INTO "Member" ("communityId", "accountId", "joinedAt") SELECT $1::uuid, u, now() FROM unnest($2::uuid[]) u
     ) UPDATE "Community" SET "memberCount" = "memberCount" + cardinality($2::uuid[]) WHERE id = $1::uuid`,
    [communityId, others.map(({ accountId }) => accountId)],
  );
  return { communityId, channelId };
}

/** The direct conversation of two people who share a community. */
export async function openDm(deps: Deps, own: DeviceActor, other: AccountId): Promise<ChannelId> {
  const { channel } = await caller(deps, own).dms.open({ accountId: other });
  return channel.channelId;
}
