import {
  createRevokeDevice,
  extendAccountLog,
  generateDevice,
  createAddDevice,
  systemRng,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '#shared/limits.ts';
import { caller, refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeIdentity, makeSecondDevice, makeUpload, newId } from '../../support/keys.ts';
import type { Person } from '../../support/people.ts';
import { placeCommunity, placeDm } from '../../support/places.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

const fresh = freshPeople({ ada: {}, bob: {} });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
  world.events.clear();
});

const rootOf = (person: Person) => ({ kind: 'root', secretKey: person.root.secretKey }) as const;
const deviceOf = (person: Person) =>
  ({
    kind: 'device',
    deviceId: uuidToBytes(person.deviceId),
    secretKey: person.device.signing.secretKey,
  }) as const;

describe('devices.append: adding', () => {
  it('creates the device, and everybody sharing a channel hears it', async () => {
    const { channelId, communityId } = await placeCommunity(db, [ada, bob]);
    const second = makeSecondDevice(ada);
    await ada.api.devices.append({ entry: toBase64Url(second.entry), label: 'Phone' });
    const device = await db.prisma.device.findUniqueOrThrow({ where: { id: second.deviceId } });
    expect(device).toMatchObject({ accountId: ada.accountId, label: 'Phone', addedSeq: 2, revokedAt: null });
    const heard = world.events.of('devices.changed');
    expect(heard.map((e) => e.audience)).toContainEqual({ to: 'community', communityId });
    expect(heard[0]?.event).toEqual({ type: 'devices.changed', accountId: ada.accountId, headSeq: 2 });
    expect(await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } })).toMatchObject({
      epoch: 1,
      devicesVersion: 2,
    });
  });

  it('takes the same bytes again as done', async () => {
    const entry = toBase64Url(makeSecondDevice(ada).entry);
    await ada.api.devices.append({ entry });
    const before = await countRows(db);
    await ada.api.devices.append({ entry });
    expect(await countRows(db)).toEqual(before);
  });

  it('lets one of two entries for the same place win', async () => {
    const entries = [makeSecondDevice(ada), makeSecondDevice(ada)].map((d) => toBase64Url(d.entry));
    const outcomes = await Promise.allSettled(entries.map((entry) => ada.api.devices.append({ entry })));
    expect(outcomes.map((o) => o.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await db.prisma.device.count({ where: { accountId: ada.accountId } })).toBe(2);
    const loser = entries[outcomes.findIndex((o) => o.status === 'rejected')] ?? '';
    expect(await refusal(ada.api.devices.append({ entry: loser }))).toEqual({
      code: 'conflict',
      what: 'account_log',
    });
  });

  it('refuses entries that do not verify and changes nothing', async () => {
    const flipped = Uint8Array.from(makeSecondDevice(ada).entry);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const notMine = makeSecondDevice(bob);
    const before = await countRows(db);
    for (const entry of [flipped, notMine.entry, makeIdentity().log[1], makeIdentity().log[0]]) {
      const refused = await refusal(ada.api.devices.append({ entry: toBase64Url(entry ?? flipped) }));
      expect(refused).toEqual({ code: 'bad_proof', what: 'account_log' });
    }
    expect(await countRows(db)).toEqual(before);
  });

  it('refuses a device id another account has (A08)', async () => {
    const taken = uuidToBytes(bob.deviceId);
    const { aid } = ada.state;
    const { cert } = generateDevice({ aid, deviceId: taken, kind: 'full', createdAt: 1 }, systemRng);
    const entry = toBase64Url(createAddDevice(ada.state, cert, rootOf(ada)));
    const before = await countRows(db);
    expect(await refusal(ada.api.devices.append({ entry }))).toEqual({ code: 'conflict', what: 'device_id' });
    expect(await countRows(db)).toEqual(before);
  });

  it('refuses the 25th live device (A10)', async () => {
    let { state } = ada;
    for (let i = 1; i < limits.devicesPerAccount; i += 1) {
      const { entry } = makeSecondDevice({ root: ada.root, state });
      state = extendAccountLog(state, [entry]);
      await ada.api.devices.append({ entry: toBase64Url(entry) });
    }
    const { aid } = state;
    const { cert } = generateDevice({ aid, deviceId: newId(), kind: 'full', createdAt: 1 }, systemRng);
    expect(() => createAddDevice(state, cert, rootOf(ada))).toThrow();
    expect(await db.prisma.device.count({ where: { accountId: ada.accountId } })).toBe(
      limits.devicesPerAccount,
    );
  });
});

describe('devices.append: revoking', () => {
  it('drops prekeys, queue and sessions of the device and raises every epoch it could read', async () => {
    const { channelId } = await placeCommunity(db, [ada, bob]);
    await ada.api.prekeys.publish(makeUpload(ada.device, { now: world.clock.now() }).upload);
    const { accountId, deviceId } = ada;
    await bob.api.mailbox.send({
      packets: [{ accountId, deviceId, bytes: toBase64Url(new Uint8Array(40)) }],
    });
    const target = { deviceId: uuidToBytes(deviceId), reason: 'logged_out' } as const;
    const entry = createRevokeDevice(ada.state, target, deviceOf(ada));
    world.events.clear();
    await ada.api.devices.append({ entry: toBase64Url(entry) });
    const device = await db.prisma.device.findUniqueOrThrow({ where: { id: deviceId } });
    expect(device).toMatchObject({ revokedSeq: 2 });
    expect(device.revokedAt).not.toBeNull();
    expect(await db.prisma.prekeySet.count()).toBe(0);
    expect(await db.prisma.oneTimeKey.count()).toBe(0);
    expect(await db.prisma.mailboxPacket.count()).toBe(0);
    expect(world.events.argsOf('closeSession')).toEqual([[ada.actor.sessionId]]);
    expect(await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } })).toMatchObject({
      epoch: 2,
    });
    expect(world.events.of('channel.rekeyed').map((e) => e.event.epoch)).toEqual([2]);
  });

  it('leaves nothing for the device: no packets, no claims, no attaching', async () => {
    await placeDm(db, ada, bob);
    const target = { deviceId: uuidToBytes(ada.deviceId), reason: 'lost' } as const;
    await ada.api.devices.append({ entry: toBase64Url(createRevokeDevice(ada.state, target, rootOf(ada))) });
    const { accountId, deviceId } = ada;
    const bytes = toBase64Url(new Uint8Array(40));
    expect(await bob.api.mailbox.send({ packets: [{ accountId, deviceId, bytes }] })).toEqual({
      gone: [deviceId],
    });
    expect(await bob.api.prekeys.claim({ targets: [{ accountId, deviceId }] })).toEqual([
      { accountId, deviceId, status: 'refused', reason: 'not_found' },
    ]);
    const signature = toBase64Url(new Uint8Array(64));
    const again = caller(world.deps, { ...ada.actor, deviceId: null });
    expect(await refusal(again.devices.attach({ deviceId, signature }))).toEqual({ code: 'not_found' });
  });
});

describe('devices.logs', () => {
  const logs = (person: Person, ids: readonly Person[], fromSeq = 0) =>
    person.api.devices.logs({ accounts: ids.map(({ accountId }) => ({ accountId, fromSeq })) });

  it('gives the own log with labels, from a seq on', async () => {
    const [own] = await logs(ada, [ada]);
    expect(own?.entries).toEqual(ada.log.map(toBase64Url));
    expect(own?.devices.map((d) => [d.deviceId, d.label])).toEqual([[ada.deviceId, 'Test browser']]);
    expect((await logs(ada, [ada], 1))[0]?.entries).toEqual(ada.log.slice(1).map(toBase64Url));
  });

  it('gives others’ logs, without labels, only to who shares a community or conversation', async () => {
    expect(await refusal(logs(ada, [bob]))).toEqual({ code: 'not_found' });
    expect(await refusal(logs(ada, [makeIdentity() as Person]))).toEqual({ code: 'not_found' });
    expect((await logs(ada, [ada, bob])).map((l) => l.accountId)).toEqual([ada.accountId]);
    await placeDm(db, ada, bob);
    const [theirs] = await logs(ada, [bob]);
    expect(theirs?.entries).toHaveLength(2);
    expect(theirs?.devices.map((d) => d.label)).toEqual(['']);
  });

  it('still gives the log of somebody who left, to readers of what they wrote', async () => {
    const { channelId, communityId } = await placeCommunity(db, [ada, bob]);
    const { accountId, deviceId } = bob;
    const cert = { channelId, accountId, deviceId, chainId: new Uint8Array(8), bytes: new Uint8Array(64) };
    await db.prisma.chainCert.create({ data: { ...cert, createdAt: new Date() } });
    await db.prisma.member.delete({ where: { communityId_accountId: { communityId, accountId } } });
    expect((await logs(ada, [bob]))[0]?.entries).toHaveLength(2);
    expect(await refusal(logs(bob, [ada]))).toEqual({ code: 'not_found' });
  });
});
