// What must be true once everything has come to rest (A96): every member who should read reads, exactly once, on every
// device; nobody else holds a key.
import { vi } from 'vitest';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { holdingOf, type Stored } from './ledger.ts';
import type { Channel } from './server.ts';
import { deliver } from './steps.ts';
import { textOf, type Device, type World } from './world.ts';

/** Rounds of "everybody is there, an hour passes": requests for keys go to a few devices at a time. */
const ROUNDS = 7;
const HOUR_MS = 61 * 60_000;

export async function audit(world: World): Promise<string[]> {
  let wrong: string[] = [];
  for (const device of world.alive) device.line.faults = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await rest(world);
    wrong = [...unsent(world), ...(await unread(world)), ...(await refused(world))];
    if (wrong.length === 0) break;
    await world.settle(10 * 60_000);
    vi.setSystemTime(world.now + HOUR_MS);
  }
  wrong.push(...doubled(world), ...(await leaked(world)), ...world.faults.splice(0));
  return wrong;
}

/** Everybody comes online, hears everything and does their duties. */
async function rest(world: World): Promise<void> {
  for (const device of world.alive) {
    if (device.tab.isDead) await world.openTab(device);
    device.tab.store.arm();
    device.line.isUp = true;
    device.heard.length = 0;
    void device.tab.connected().catch((error: unknown) => world.faults.push(`connecting: ${String(error)}`));
    await world.settle();
  }
  for (let pass = 0; pass < 3; pass++)
    for (const device of world.alive) {
      deliver(device, null);
      await world.settle(1000);
      void device.tab.backup.catchUp();
      await readAll(world, device);
      void device.tab.ask().catch(() => undefined);
      await world.settle(1000);
    }
}

const channelsOf = (world: World, accountId: AccountId): Channel[] =>
  [...world.server.channels.values()].filter((channel) => channel.readers.has(accountId));

/** Reads what this device has not read yet of what the server shows it. */
async function readAll(world: World, device: Device): Promise<void> {
  for (const { channelId, log, certs } of channelsOf(world, device.accountId)) {
    const events = log.filter(({ eventId }) => !device.read.has(eventId));
    if (events.length === 0) continue;
    void readSome(world, device, { channelId, events, certs: [...certs.values()] });
    await world.settle();
  }
}

async function readSome(
  world: World,
  device: Device,
  { channelId, events, certs }: { channelId: ChannelId; events: ChannelEvent[]; certs: string[] },
): Promise<void> {
  for (const result of await device.tab.read(channelId, events, certs)) {
    if (result.status !== 'decrypted') continue;
    const { eventId, content, senderDeviceId, senderAccountId } = result;
    const text = content.type === 'text' ? content.text : content.type;
    device.read.set(eventId, text);
    const event = events.find((known) => known.eventId === eventId)!;
    const isRight =
      text === textOf(eventId) &&
      senderDeviceId === event.senderDeviceId &&
      senderAccountId === event.senderAccountId;
    if (!isRight) world.faults.push(`${device.name} reads "${text}" of ${senderDeviceId}`);
  }
}

/** Who must read and does not. */
async function unread(world: World): Promise<string[]> {
  const missing: { device: Device; stored: Stored }[] = [];
  for (const stored of world.ledger.stored) {
    const { readers } = world.server.channels.get(stored.event.channelId)!;
    if (world.alive.every((d) => d.read.has(stored.event.eventId) || !readers.has(d.accountId))) continue;
    const must = world.ledger.mustRead(stored, world.devices, readers);
    for (const device of world.alive)
      if (must.has(device.accountId) && !device.read.has(stored.event.eventId))
        missing.push({ device, stored });
  }
  const told: string[] = [];
  for (const { device, stored } of missing.slice(0, 5)) told.push(await whyNot(world, device, stored));
  return missing.length > told.length ? [...told, `and ${missing.length - told.length} more`] : told;
}

async function whyNot(
  world: World,
  device: Device,
  { event, handed, isShared, tick }: Stored,
): Promise<string> {
  const { certs } = world.server.channels.get(event.channelId)!;
  let why = '';
  void device.tab.read(event.channelId, [event], [...certs.values()]).then(([result]) => {
    why = JSON.stringify({ ...result, content: undefined });
  });
  await world.settle();
  const sender = world.devices.find(({ deviceId }) => deviceId === event.senderDeviceId);
  const facts = { seq: event.seq, tick, isShared, sender: sender?.name, senderAlive: sender?.isAlive };
  const given = { handed: handed.has(device.deviceId), addedAt: device.addedAt };
  return `${device.name} cannot read ${event.channelId.slice(-4)}: ${why} ${JSON.stringify({ ...facts, ...given })}`;
}

/** Whose backup is refused. That it is refused for a moment only is no better: `World` judges each refusal as it happens. */
async function refused(world: World): Promise<string[]> {
  const wrong: string[] = [];
  for (const { name, tab } of world.alive)
    void tab.crypto.backupView().then(({ refusal }) => {
      if (refusal) wrong.push(`${name} refuses the backup: ${JSON.stringify(refusal)}`);
    });
  await world.settle();
  return wrong;
}

/** Drafts that are neither on the server nor refused for a reason their writer understands. */
function unsent(world: World): string[] {
  const isStored = new Set(world.ledger.stored.map(({ event }) => event.eventId));
  const wrong: string[] = [];
  for (const [eventId, device] of world.written) {
    if (isStored.has(eventId) || !device.isAlive) {
      world.written.delete(eventId);
      continue;
    }
    const channels = [...world.server.channels.keys()];
    const row = channels.flatMap((id) => device.tab.outbox.of(id)).find((draft) => draft.eventId === eventId);
    // Of a conversation one is no longer in, a draft waits for the day one is again.
    const isOut = row && !world.server.channels.get(row.channelId)!.readers.has(device.accountId);
    if (isOut && row.failure === null) continue;
    if (row?.failure === 'not_found') world.written.delete(eventId);
    else
      wrong.push(`${device.name} did not send ${eventId}: ${row ? (row.failure ?? 'waiting') : 'forgotten'}`);
  }
  return wrong;
}

function doubled(world: World): string[] {
  const seen = new Set<string>();
  const wrong: string[] = [];
  for (const { log } of world.server.channels.values())
    for (const { eventId } of log) {
      if (seen.has(eventId)) wrong.push(`${eventId} is in the log twice`);
      seen.add(eventId);
    }
  for (const device of world.alive)
    for (const { channelId } of channelsOf(world, device.accountId)) {
      const rows = device.tab.log(channelId).rows.map(({ eventId }) => eventId);
      if (new Set(rows).size !== rows.length) wrong.push(`${device.name} shows something twice`);
    }
  return wrong;
}

/** Devices that hold a key they must not have. */
async function leaked(world: World): Promise<string[]> {
  const wrong: string[] = [];
  for (const device of world.devices) {
    if (device.isLost) continue;
    const holding = await holdingOf(device, device.disk);
    for (const stored of world.ledger.stored)
      if (!world.ledger.mayRead(device, stored) && holding.has(stored)) {
        const { channelId, seq } = stored.event;
        wrong.push(`${device.name} has the key of ${channelId.slice(-4)}/${seq} and must not`);
      }
  }
  return wrong;
}
