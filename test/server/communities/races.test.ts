// Structural changes against sends and against each other: nothing is lost, nobody deadlocks, and nothing is stored
// under an epoch its reader was removed from.
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import { bumpDevices } from '#server/domains/audience/audience.service.ts';
import type { SendRow } from '#server/domains/messages/send-statement.ts';
import { transaction } from '#server/platform/transaction.ts';
import { permission } from '#shared/permissions.ts';
import { audienceReplay } from '#test/support/audience-replay.ts';
import { makeMember, type Someone, type World } from '#test/support/factories.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
const { view } = permission;
let person: Someone;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
  person = await makeMember(deps, world);
  events.clear();
});

async function addDevice({ accountId }: Someone): Promise<string> {
  const id = randomUUID();
  await db.prisma.device.create({
    data: { id, accountId, label: 'test', signingKey: new Uint8Array(32), addedSeq: 1 },
  });
  return id;
}

/** A stored row as the write path takes it, past every check of its bytes. */
function sendRow(by: Someone, deviceId: string, epoch: number): SendRow {
  return {
    channelId: world.channelId,
    eventId: randomUUID(),
    class: 'message',
    accountId: by.accountId,
    deviceId,
    refId: null,
    epoch,
    envelope: new Uint8Array(64),
    envelopeHash: new Uint8Array(32),
    chainId: null,
    iter: null,
    linkHash: null,
    commitment: new Uint8Array(32),
    isModerator: false,
    devicesVersion: null,
    chainCert: null,
    mentions: [],
    packets: [],
  };
}

describe('a kick while people write', () => {
  it('lets nothing of theirs through afterwards, and nothing of others under the old epoch', async () => {
    const { communityId, channelId, owner } = world;
    const [theirs, ours] = [await addDevice(person), await addDevice(owner)];
    const push = async (by: Someone, device: string): Promise<string> =>
      (await deps.sends.push(sendRow(by, device, 1))).verdict;
    const early = Array.from({ length: 20 }, (_, i) => (i % 2 ? push(person, theirs) : push(owner, ours)));
    const kick = owner.api.communities.kick({ communityId, accountId: person.accountId });
    const more = Array.from({ length: 20 }, (_, i) => (i % 2 ? push(person, theirs) : push(owner, ours)));
    await kick;
    expect(await push(person, theirs)).toBe('not_found');
    expect(await push(owner, ours)).toBe('stale_epoch');
    const verdicts = await Promise.all([...early, ...more]);
    const stored = verdicts.filter((verdict) => verdict === 'stored').length;
    expect(verdicts.every((v) => ['stored', 'not_found', 'stale_epoch'].includes(v))).toBe(true);
    const channel = await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } });
    expect(channel).toMatchObject({ epoch: 2, lastSeq: stored });
    const rows = await db.prisma.channelEvent.findMany({ where: { channelId }, orderBy: { seq: 'asc' } });
    expect(rows.map((row) => [row.seq, row.epoch])).toEqual(rows.map((_, i) => [i + 1, 1]));
  });
});

describe('many changes at once', () => {
  it('neither deadlock nor contradict each other: state + events is still the fresh state', async () => {
    const { communityId, groupId, channelId, owner, roles } = world;
    const people = [person];
    for (let i = 0; i < 3; i += 1) people.push(await makeMember(deps, world));
    const devices = await Promise.all(people.map(addDevice));
    const { code } = await owner.api.invites.create({ communityId });
    events.clear();
    const replay = audienceReplay(deps, events);
    for (const { accountId } of [owner, ...people]) await replay.watch(accountId);
    const { accountId } = owner;
    const close = async (): Promise<void> => {
      const at = { communityId, channelId };
      await owner.api.roles.setOverride({ ...at, accountId, allow: view, deny: 0 });
      await owner.api.roles.setOverride({ ...at, roleId: roles.admin, allow: view, deny: 0 });
      await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: view });
    };
    const comeAndGo = async (someone: Someone): Promise<void> => {
      await owner.api.roles.assign({ roleId: roles.admin, accountId: someone.accountId });
      await transaction(db, (tx) => bumpDevices(tx, deps, { accountId: someone.accountId }));
      await owner.api.communities.kick({ communityId, accountId: someone.accountId });
      await someone.api.invites.accept({ code });
      await owner.api.roles.assign({ roleId: roles.admin, accountId: someone.accountId });
    };
    const channels = ['a', 'b', 'c'].map((name) => owner.api.channels.create({ communityId, groupId, name }));
    const sends = people.flatMap((someone, i) =>
      Array.from({ length: 5 }, () => deps.sends.push(sendRow(someone, devices[i]!, 1))),
    );
    await Promise.all([close(), ...people.map(comeAndGo), ...channels, ...sends]);
    await replay.settle();
    const { memberCount, channels: made } = await owner.api.communities.get({ communityId });
    expect(memberCount).toBe(people.length + 1);
    expect(made.map((c) => c.position)).toEqual([0, 1, 2, 3]);
    const readers = await owner.api.channels.readers({ channelId });
    expect(readers.accountIds).toHaveLength(people.length + 1);
  });
});
