// What a device sent before it was removed counts for whoever had it before they knew of that; nothing that comes later.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConversationRef } from '#client/crypto/protocol.ts';
import { textsOf, type Person } from '../support/exchange.ts';
import { makeWorld, type World } from '../support/world.ts';

describe('a removed device', () => {
  let world: World;
  let ada: Person;
  let ben: Person;

  beforeEach(async () => {
    world = await makeWorld();
    ({ ada, ben } = world);
    // They have met: Ada knows Ben's devices.
    await world.server.say(ben, world.direct, 'hello');
    await world.server.read(ada, world.direct);
  });

  const logs = () => world.server.logsFor([{ accountId: ben.accountId, fromSeq: 0 }]);
  const reads = async (talk: ConversationRef): Promise<(string | null)[]> =>
    textsOf(await world.server.read(ada, talk));

  async function remove(): Promise<void> {
    world.server.logs.get(ben.accountId)!.push(await ben.engine.revokeOwnDevice());
  }

  it('is learned of after the mailbox was emptied, and not before', async () => {
    const { server, direct } = world;
    await server.say(ben, direct, 'under way');
    await remove();
    expect(await ada.engine.ingestLogs({ logs: logs() })).toEqual({ alarms: [], keptBack: [ben.accountId] });
    const isRevoked = async () =>
      (await ada.engine.identities({ accountIds: [ben.accountId] }))[0]!.devices[0]!.isRevoked;
    expect(await isRevoked()).toBe(false);
    await server.collect(ada);
    expect(await ada.engine.ingestLogs({ logs: logs(), isMailTaken: true })).toEqual({
      alarms: [],
      keptBack: [],
    });
    expect(await isRevoked()).toBe(true);
    expect(await reads(direct)).toEqual(['hello', 'under way']);
  });

  it('is believed what was here and waited, also the first packet of all', async () => {
    const { server, talk } = world;
    await server.say(ben, talk, 'the first here');
    // The chain waits for its certificate: nobody looked into the channel yet.
    await server.collect(ada);
    await remove();
    await ada.engine.ingestLogs({ logs: logs(), isMailTaken: true });
    expect(await reads(talk)).toEqual(['the first here']);
  });

  it('added, used and removed while somebody was away, is read when they come back', async () => {
    const { server, direct } = world;
    const phone = await server.addDevice(ben);
    await server.say(phone, direct, 'from a phone');
    ben = phone;
    await remove();
    expect((await ada.engine.ingestLogs({ logs: logs() })).keptBack).toEqual([ben.accountId]);
    await server.collect(ada);
    expect(await reads(direct)).toEqual(['hello', 'from a phone']);
  });

  it('is believed nothing that comes once the removal is known, however the server dates it', async () => {
    const { server, direct } = world;
    await server.say(ben, direct, 'held back by the server');
    const late = server.mail.get(ada.deviceId) ?? [];
    server.mail.set(ada.deviceId, []);
    await remove();
    await ada.engine.ingestLogs({ logs: logs(), isMailTaken: true });
    server.mail.set(
      ada.deviceId,
      late.map((packet) => ({ ...packet, createdAt: 1 })),
    );
    expect(await reads(direct)).toEqual(['hello', null]);
    // Not by letting it wait, either.
    expect(await reads(direct)).toEqual(['hello', null]);
  });
});
