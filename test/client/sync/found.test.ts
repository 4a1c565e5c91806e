// @vitest-environment node
// What the model (A96) found, one small test each.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ChannelId } from '#shared/ids.ts';
import { audit } from '../model/audit.ts';
import { addByPassword, deliver, revoke } from '../model/steps.ts';
import { beginModelTime, endModelTime } from '../model/time.ts';
import { textOf, World, type Device } from '../model/world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let world: World;
let [ada, ben, cleo]: Device[] = [];
let room: ChannelId;

beforeEach(async () => {
  beginModelTime();
  world = await World.start(1);
  [ada, ben, cleo] = world.devices;
  room = world.channels[1]!.channelId;
});
afterEach(endModelTime);

const connect = async (device: Device): Promise<void> => {
  device.line.isUp = true;
  void device.tab.connected();
  await world.settle(2000);
};

const shown = (device: Device): (string | null)[] =>
  device.tab.log(room).rows.map((row) => (row.status === 'shown' ? row.text : row.status));

async function hear(...devices: Device[]): Promise<void> {
  for (const device of devices) {
    deliver(device, null);
    await world.settle();
  }
}

it('somebody who left and came back is read by those who were away when they came back', async () => {
  const { accountId } = cleo!;
  world.write(ben!, room);
  await world.settle();
  world.server.leave(room, accountId);
  await hear(ben!, ada!);
  world.write(ben!, room);
  await world.settle();
  ben!.line.isUp = false;
  world.server.join(room, accountId);
  await hear(cleo!);
  world.write(cleo!, room);
  await world.settle();
  const [last] = world.server.channels.get(room)!.log.slice(-1);
  expect(last!.senderAccountId).toBe(accountId);
  await connect(ben!);
  expect(shown(ben!).at(-1)).toBe(textOf(last!.eventId));
});

it('what was under way when a tab ended goes before what is written first thing in the next', async () => {
  const { tab } = ada!;
  const conversation = await waited(tab.keys.conversation(room));
  await waited(tab.keys.prepare(conversation));
  ada!.line.isUp = false;
  world.write(ada!, room);
  await world.settle();
  const [draft] = tab.outbox.of(room);
  await waited(tab.crypto.encrypt({ ...draft!, conversation, now: world.now }));
  tab.die();
  ada!.line.isUp = true;
  const next = await world.openTab(ada!);
  next.known.load(world.server);
  await waited(next.keys.lead());
  world.write(ada!, room);
  await world.settle(5000);
  const { log } = world.server.channels.get(room)!;
  expect(log.map(({ eventId }) => eventId)).toEqual([draft!.eventId, expect.any(String)]);
  expect(next.outbox.of(room).map(({ failure }) => failure)).not.toContain(expect.any(String));
});

it('a message another tab sent meanwhile is not called unsent', async () => {
  ada!.line.isUp = false;
  world.write(ada!, room);
  await world.settle();
  const old = ada!.tab;
  ada!.line.isUp = true;
  const next = await world.openTab(ada!);
  await connect(ada!);
  expect(world.server.channels.get(room)!.log).toHaveLength(1);
  // The one before still has its row, and comes back to it.
  old.outbox.drain();
  await world.settle(5000);
  expect(world.server.channels.get(room)!.log).toHaveLength(1);
  expect([...old.outbox.of(room), ...next.outbox.of(room)]).toEqual([]);
});

it('a device that is removed after it backed up last takes nobody’s backup along', async () => {
  const second = await addByPassword(world, ada!.person);
  await connect(second);
  await hear(ada!, ben!, cleo!);
  world.write(second, room);
  await world.settle();
  await hear(ada!, ben!, cleo!);
  await waited(second.tab.backup.run());
  await waited(revoke(world, ada!, second));
  expect(ada!.tab.backup.view).toMatchObject({ refusal: null, waiting: 0 });
  world.write(ada!, room);
  await world.settle(2000);
  await waited(ada!.tab.backup.run());
  await connect(await addByPassword(world, ada!.person));
  expect(await audit(world)).toEqual([]);
  expect(world.alive.filter(({ person }) => person === ada!.person)).toHaveLength(2);
});

/** What needs time to go on gets it. */
async function waited<T>(work: Promise<T>): Promise<T> {
  let found: { value: T } | null = null;
  void work.then((value) => (found = { value }));
  await world.settle(2000);
  if (!found) throw new Error('still going on');
  return (found as { value: T }).value;
}
