import { toBase64Url } from '#crypto/index.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { insertPackets } from '#server/domains/mailbox/mailbox.queries.ts';
import { limits } from '#shared/limits.ts';
import { refusal, testDeps, type TestDeps } from '../../support/deps.ts';
import { makeIdentity } from '../../support/keys.ts';
import { registerPerson, type Person } from '../../support/people.ts';
import { placeDm } from '../../support/places.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

beforeAll(async () => {
  db = await openTestDatabase();
  world = await testDeps(db);
  ada = await registerPerson(world.deps);
  bob = await registerPerson(world.deps);
  await placeDm(db, ada, bob);
});
beforeEach(async () => {
  await db.prisma.mailboxPacket.deleteMany();
  world.events.clear();
});
afterAll(() => db.close());

const bytesOf = (n: number, length = 40): string => toBase64Url(new Uint8Array(length).fill(n));
const packetTo = ({ accountId, deviceId }: Pick<Person, 'accountId' | 'deviceId'>, bytes: string) => ({
  accountId,
  deviceId,
  bytes,
});
const fill = (count: number, from: { accountId: string; deviceId: string }, length = 40) =>
  insertPackets(db, from as never, {
    packets: Array.from({ length: count }, () => ({ ...bob, bytes: new Uint8Array(length) })),
    at: new Date(),
  });

describe('mailbox', () => {
  it('queues packets in order, says so live, and keeps them until acknowledged', async () => {
    const packets = [packetTo(bob, bytesOf(1)), packetTo(bob, bytesOf(2))];
    expect(await ada.api.mailbox.send({ packets })).toEqual({ gone: [] });
    const pulled = await bob.api.mailbox.pull({ after: 0 });
    expect(pulled.map((p) => p.bytes)).toEqual([bytesOf(1), bytesOf(2)]);
    expect(pulled[0]).toMatchObject({ senderAccountId: ada.accountId, senderDeviceId: ada.deviceId });
    const live = world.events.of('mailbox.received');
    expect(live.map((e) => e.event.packet)).toEqual(pulled);
    expect(live[0]?.audience).toEqual({ to: 'device', deviceId: bob.deviceId });
    expect(await bob.api.mailbox.pull({ after: pulled[0]?.seq ?? 0 })).toEqual(pulled.slice(1));
    await bob.api.mailbox.ack({ seqs: [pulled[0]?.seq ?? 0] });
    expect(await bob.api.mailbox.pull({ after: 0 })).toEqual(pulled.slice(1));
  });

  it('belongs to its device: nobody else reads or empties it', async () => {
    await ada.api.mailbox.send({ packets: [packetTo(bob, bytesOf(1))] });
    const [packet] = await bob.api.mailbox.pull({ after: 0 });
    expect(await ada.api.mailbox.pull({ after: 0 })).toEqual([]);
    await ada.api.mailbox.ack({ seqs: [packet?.seq ?? 0] });
    expect(await bob.api.mailbox.pull({ after: 0 })).toHaveLength(1);
  });

  it('drops packets to devices that do not exist, are not theirs or are out of reach, and names them', async () => {
    const cyd = await registerPerson(world.deps);
    const nobody = makeIdentity();
    const packets = [
      packetTo(bob, bytesOf(1)),
      packetTo(nobody, bytesOf(2)),
      packetTo(cyd, bytesOf(3)),
      packetTo({ accountId: bob.accountId, deviceId: cyd.deviceId }, bytesOf(4)),
      packetTo(ada, bytesOf(5)),
    ];
    const { gone } = await ada.api.mailbox.send({ packets });
    expect([...gone].sort()).toEqual([nobody.deviceId, cyd.deviceId, ada.deviceId].sort());
    expect(await db.prisma.mailboxPacket.count()).toBe(1);
  });

  it('pages 200 at a time', async () => {
    await fill(limits.mailboxPage + 1, makeIdentity());
    const page = await bob.api.mailbox.pull({ after: 0 });
    expect(page).toHaveLength(limits.mailboxPage);
    expect(await bob.api.mailbox.pull({ after: page.at(-1)?.seq ?? 0 })).toHaveLength(1);
  });
});

describe('mailbox bounds: the sender is told and nothing is stored', () => {
  const full = { code: 'mailbox_full', devices: [] as string[] };
  beforeEach(() => void (full.devices = [bob.deviceId]));
  const send = (count = 1) =>
    ada.api.mailbox.send({ packets: Array.from({ length: count }, (_, i) => packetTo(bob, bytesOf(i))) });

  it('200 undelivered per sender’s device', async () => {
    await fill(limits.mailboxPerSender - 1, ada);
    expect(await refusal(send(2))).toEqual(full);
    expect(await db.prisma.mailboxPacket.count()).toBe(limits.mailboxPerSender - 1);
    await send(1);
    expect(await refusal(send(1))).toEqual(full);
  });

  it('5,000 packets per device', async () => {
    for (let i = 0; i < 5; i += 1) await fill(limits.mailboxPackets / 5, makeIdentity());
    expect(await refusal(send())).toEqual(full);
    await db.query(
      'test.one',
      'DELETE FROM "MailboxPacket" WHERE seq = (SELECT min(seq) FROM "MailboxPacket")',
    );
    await send();
  });

  it('8 MiB per device', async () => {
    await fill(limits.mailboxBytes / limits.packetBytes - 1, makeIdentity(), limits.packetBytes);
    const packets = [packetTo(bob, bytesOf(1, limits.packetBytes)), packetTo(bob, bytesOf(1))];
    expect(await refusal(ada.api.mailbox.send({ packets }))).toEqual(full);
    await ada.api.mailbox.send({ packets: packets.slice(0, 1) });
  });
});
