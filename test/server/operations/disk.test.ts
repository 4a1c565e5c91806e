// The disk reserve: below it nothing that grows history is stored, everything else goes on, and it ends by itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DiskReserve, folderProbe } from '#server/platform/disk.ts';
import { silentLogger } from '#server/platform/log.ts';
import type { ChannelId, CommunityId, GroupId } from '#shared/ids.ts';
import { caller, refusal, testDeps, testEnv, type TestDeps } from '#test/support/deps.ts';
import { makeIdentity, registration } from '#test/support/keys.ts';
import { opaquePacket, Pen } from '#test/support/messages.ts';
import { registerPerson, type Person } from '#test/support/people.ts';
import { countRows } from '#test/support/row-counts.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

const MIB = 1024 * 1024;
const low = { code: 'disk_low' };

describe('the reserve', () => {
  const reserveAt = (probe: () => Promise<number | null>, reserveBytes = 100) =>
    new DiskReserve({ reserveBytes, probe, log: silentLogger });

  it('is low below its bound and recovers a little above it, so that it does not flicker', async () => {
    let free: number | null = 100;
    const reserve = reserveAt(() => Promise.resolve(free));
    const seen: boolean[] = [];
    for (free of [100, 99, 100, 109, 110, 100, 0, null, 0]) {
      await reserve.check();
      seen.push(reserve.isLow);
    }
    expect(seen).toEqual([false, true, true, true, false, false, true, false, true]);
  });

  it('can be turned off, and a failing probe is not a full disk', async () => {
    const off = reserveAt(() => Promise.resolve(0), 0);
    await off.check();
    expect(off.isLow).toBe(false);
    const broken = reserveAt(() => Promise.reject(new Error('no')));
    const stop = await broken.start();
    stop();
    expect(broken.isLow).toBe(false);
  });

  it('asks the disk of the folder, also before it exists', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chatalot-disk-'));
    const [there, notYet] = await Promise.all([folderProbe(folder)(), folderProbe(join(folder, 'a', 'b'))()]);
    expect(there).toBeGreaterThan(0);
    expect(Math.abs((there ?? 0) - (notYet ?? 0))).toBeLessThan(4096 * MIB);
    await rm(folder, { recursive: true });
  });
});

describe('while the disk is short', () => {
  let db: TestDatabase;
  let test: TestDeps;
  let ada: Person;
  let communityId: CommunityId;
  let groupId: GroupId;
  let channelId: ChannelId;
  let free: number | null;

  const setFree = async (bytes: number): Promise<void> => {
    free = bytes;
    await test.deps.disk.check();
  };

  beforeAll(async () => {
    db = await openTestDatabase();
  });
  afterAll(() => db.close());
  beforeEach(async () => {
    await db.truncate();
    free = 300 * MIB;
    const env = testEnv({ DISK_RESERVE_MB: '256' });
    test = await testDeps(db, { env, log: silentLogger, diskProbe: () => Promise.resolve(free) });
    ada = await registerPerson(test.deps, { units: 1 });
    const { channels, ...community } = await ada.api.communities.create({ name: 'Home' });
    communityId = community.communityId;
    channelId = channels[0]!.channelId;
    groupId = channels[0]!.groupId!;
  });

  it('what grows history is refused and changes nothing', async () => {
    const pen = new Pen(ada, channelId);
    const first = pen.text();
    await ada.api.messages.send(first);
    await setFree(255 * MIB);
    const before = await countRows(db);
    const newcomer = registration(makeIdentity(), 'newcomer');
    for (const call of [
      () => ada.api.messages.send(pen.text()),
      () => ada.api.messages.send(pen.edit(first.eventId)),
      () => ada.api.messages.send(pen.react(first.eventId)),
      () => caller(test.deps, null).auth.register(newcomer),
      () => ada.api.communities.create({ name: 'Other' }),
      () => ada.api.groups.create({ communityId, name: 'Other' }),
      () => ada.api.channels.create({ communityId, groupId, name: 'other' }),
      () => ada.api.invites.create({ communityId }),
    ]) {
      expect(await refusal(call())).toEqual(low);
    }
    expect(await countRows(db)).toEqual(before);
  });

  it('reading, deleting, keys and signing in go on; a repeated send is still acknowledged', async () => {
    const pen = new Pen(ada, channelId);
    const [first, second] = [pen.text(), pen.text()];
    const ack = await ada.api.messages.send(first);
    await ada.api.messages.send(second);
    await setFree(0);
    expect(await ada.api.messages.send(first)).toEqual(ack);
    await ada.api.messages.send(pen.redact(second.eventId));
    expect((await ada.api.messages.page({ channelId, limit: 10 })).messages).toHaveLength(2);
    const packet = { accountId: ada.accountId, deviceId: ada.deviceId, bytes: opaquePacket() };
    await ada.api.mailbox.send({ packets: [packet] });
    const login = { username: ada.username, loginSecret: ada.loginSecret };
    expect(await caller(test.deps, null).auth.login(login)).toMatchObject({ accountId: ada.accountId });
    await ada.api.communities.delete({ communityId });
  });

  it('ends by itself when there is room again', async () => {
    const pen = new Pen(ada, channelId);
    await setFree(0);
    expect(await refusal(ada.api.messages.send(pen.text()))).toEqual(low);
    await setFree(300 * MIB);
    const again = new Pen(ada, channelId);
    expect(await ada.api.messages.send(again.text())).toMatchObject({ seq: 1 });
  });
});
