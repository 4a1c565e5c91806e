// What may happen in the model (A96), one step each.
import { vi } from 'vitest';
import { MemoryStore } from '#crypto/memory-store.ts';
import { removeDevice } from '#client/sync/removal.ts';
import type { DeviceId } from '#shared/ids.ts';
import { Dice } from './dice.ts';
import { Tab } from './tab.ts';
import { MAX_DEVICES, type Device, type Person, type World } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

type Act = (world: World, dice: Dice) => Promise<string> | string;

/** Never waited for by the step itself: a tab may die over it. */
const later = (work: Promise<unknown>): void => void work.catch(() => undefined);

function someone(world: World, dice: Dice): Device {
  return dice.pick(world.alive);
}

function connect(device: Device): void {
  device.line.isUp = true;
  device.heard.length = 0;
  later(device.tab.connected());
}

function cut(device: Device): void {
  device.line.isUp = false;
  device.heard.length = 0;
}

async function revive(world: World, device: Device): Promise<void> {
  device.tab.die();
  await world.openTab(device);
  if (device.line.isUp) connect(device);
  else later(device.tab.keys.lead());
}

/** Lets a device hear what its socket brought. */
export function deliver(device: Device, dice: Dice | null, count = Infinity): void {
  const batch = device.heard.splice(0, count);
  const isMixed = dice?.chance(0.3) === true;
  const ordered = isMixed ? dice.shuffled(batch) : batch;
  const doubled = dice?.chance(0.2) === true ? [...ordered, ...ordered] : ordered;
  for (const event of doubled) later(device.tab.hear(event));
}

/** A device nobody uses any more: what its person had safe stays safe. */
async function end(world: World, device: Device): Promise<void> {
  device.tab.die();
  cut(device);
  await world.ledger.lost(device, device.disk);
}

export async function addByPassword(world: World, person: Person): Promise<Device> {
  const [disk, line] = [new MemoryStore(), world.newLine()];
  const { accountId } = person;
  let deviceId = '' as DeviceId;
  const place = world.place({ accountId, deviceId: () => deviceId });
  const entry = new Tab(place, { who: { accountId, deviceId }, disk, line, rng: world.rng(person.name) });
  const { vault, kdf, log } = world.server.account(accountId);
  await entry.crypto.deriveLogin({ password: `${person.name}-password`, kdf });
  const made = await entry.crypto.certifyDevice({ accountId, vault, log, now: world.now });
  world.server.appendLog({ accountId }, { entry: made.entry });
  ({ deviceId } = made);
  await entry.crypto.adopt();
  entry.die();
  return world.addDevice({ person, deviceId, disk, line });
}

async function byLink(world: World, old: Device): Promise<Device | null> {
  const { person, accountId } = old;
  const [disk, line] = [new MemoryStore(), world.newLine()];
  let deviceId = '' as DeviceId;
  const place = world.place({ accountId, deviceId: () => deviceId });
  const entry = new Tab(place, { who: { accountId, deviceId }, disk, line, rng: world.rng(person.name) });
  await old.tab.keys.refreshOwnLog();
  const { code } = await entry.crypto.linkOffer();
  const { meeting } = await old.tab.crypto.linkMeet({ code });
  const { request } = await entry.crypto.linkRequest({ meeting, label: 'new', now: world.now });
  await old.tab.crypto.linkReview({ request });
  const granted = await old.tab.crypto.linkApprove({ username: person.name });
  world.server.appendLog({ accountId }, { entry: granted.entry });
  await entry.crypto.linkTake({ grant: granted.grant });
  await entry.crypto.linkCertified({ log: world.server.account(accountId).log });
  await entry.crypto.adopt();
  deviceId = world.server.liveDevices(accountId).at(-1)!;
  entry.die();
  return world.addDevice({ person, deviceId, disk, line });
}

const certified = (person: Person): Device[] =>
  person.devices.filter((device) => device.revokedAt === Infinity);

/** Takes a device off the account as the settings do. */
export async function revoke(world: World, by: Device, target: Device): Promise<void> {
  if (by !== target) {
    if (target.isAlive) await end(world, target);
    // Nothing else is needed of the remover: it may be gone from here on.
    await removeDevice({ ...by.tab, now: () => world.now }, target.deviceId);
    return;
  }
  await by.tab.keys.refreshOwnLog();
  const entry = await by.tab.crypto.revokeOwnDevice();
  await end(world, target);
  world.server.appendLog(target, { entry });
}

/** Steps that need a device to do something whole: it is there, with a line that holds. */
async function whole(world: World, device: Device, work: () => Promise<void>): Promise<void> {
  if (device.tab.isDead) await revive(world, device);
  const { faults } = device.line;
  if (!device.line.isUp) connect(device);
  await world.settle();
  if (device.tab.isDead || !device.line.isUp) return;
  device.line.faults = 0;
  device.tab.store.arm();
  await work();
  device.line.faults = faults;
}

const acts = {
  send(world, dice) {
    const device = someone(world, dice);
    const { ids } = device.tab.known;
    if (ids.length === 0) return 'nobody writes yet';
    const channelId = dice.pick(ids);
    world.write(device, channelId);
    return `${device.name} writes into ${channelId.slice(-4)}`;
  },
  deliver(world, dice) {
    const device = someone(world, dice);
    deliver(device, dice, 1 + dice.below(6));
    return `${device.name} hears`;
  },
  cut(world, dice) {
    const device = someone(world, dice);
    cut(device);
    return `${device.name} goes offline`;
  },
  connect(world, dice) {
    const device = dice.pick(world.alive.filter((d) => !d.line.isUp).concat(someone(world, dice)));
    connect(device);
    return `${device.name} connects`;
  },
  crash(world, dice) {
    const device = someone(world, dice);
    device.tab.store.arm(dice.below(60));
    return `${device.name} is about to crash`;
  },
  async restart(world, dice) {
    const dead = world.alive.filter((device) => device.tab.isDead);
    const device = dead.length > 0 ? dice.pick(dead) : someone(world, dice);
    await revive(world, device);
    return `${device.name} starts again`;
  },
  async switchTab(world, dice) {
    const device = someone(world, dice);
    // What it asked the server for may still happen; nobody is there to hear of it.
    later(device.tab.connected());
    for (let turns = dice.below(400); turns > 0; turns--) await Promise.resolve();
    device.tab.die();
    await world.openTab(device);
    later(device.tab.connected());
    return `${device.name} goes on in another tab`;
  },
  leave(world, dice) {
    const channel = dice.pick(world.channels);
    const person = dice.pick(world.people);
    if (channel.readers.size < 2 || !channel.readers.has(person.accountId)) return 'nobody leaves';
    world.server.leave(channel.channelId, person.accountId);
    world.ledger.left(channel.channelId, person.accountId);
    return `${person.name} leaves ${channel.channelId.slice(-4)}`;
  },
  join(world, dice) {
    const channel = dice.pick(world.channels);
    const outside = world.people.filter((person) => !channel.readers.has(person.accountId));
    if (outside.length === 0) return 'nobody joins';
    const person = dice.pick(outside);
    world.server.join(channel.channelId, person.accountId);
    world.ledger.joined(channel.channelId, person.accountId);
    return `${person.name} joins ${channel.channelId.slice(-4)}`;
  },
  async add(world, dice) {
    const person = dice.pick(world.people);
    if (certified(person).length >= MAX_DEVICES) return 'no device more';
    const by = dice.chance(0.5) ? null : dice.pick(certified(person).filter((device) => device.isAlive));
    let made: Device | null = null;
    if (by) await whole(world, by, async () => void (made = await byLink(world, by)));
    else made = await addByPassword(world, person);
    if (made) connect(made);
    return `${person.name} ${by ? 'links' : 'logs in on'} ${made === null ? 'nothing' : 'a device'}`;
  },
  async revoke(world, dice) {
    const person = dice.pick(world.people);
    const devices = certified(person);
    const by = dice.pick(devices.filter((device) => device.isAlive));
    const target = dice.pick(devices.filter((device) => device !== by || devices.length > 2));
    const isLast = devices.filter((device) => device.isAlive && device !== target).length === 0;
    if (target === undefined || isLast) return 'nothing is revoked';
    await whole(world, by, () => revoke(world, by, target));
    const isOff = target.revokedAt !== Infinity;
    if (by === target || !isOff || !dice.chance(0.5)) return `${by.name} revokes ${target.name}`;
    // What the account has now must be enough for somebody who has only the password.
    by.tab.die();
    const next = await addByPassword(world, person);
    connect(next);
    return `${by.name} revokes ${target.name} and is closed, ${next.name} logs in`;
  },
  async wipe(world, dice) {
    const device = someone(world, dice);
    const { person } = device;
    const lost = certified(person).find((other) => other.isLost);
    await end(world, device);
    device.isLost = true;
    const next = certified(person).find((other) => other.isAlive) ?? (await addByPassword(world, person));
    connect(next);
    // Storage that is gone does not take its device off the account; somebody does, or it stays there.
    if (lost) await whole(world, next, () => revoke(world, next, lost));
    return `${device.name} is wiped, ${next.name} goes on`;
  },
  async backup(world, dice) {
    const device = someone(world, dice);
    later(device.tab.backup.catchUp());
    return `${device.name} backs up`;
  },
  ask(world, dice) {
    const device = someone(world, dice);
    later(device.tab.ask());
    return `${device.name} asks for keys`;
  },
  scroll(world, dice) {
    const device = someone(world, dice);
    const { ids } = device.tab.known;
    if (ids.length > 0) later(device.tab.log(dice.pick(ids)).loadOlder());
    return `${device.name} scrolls back`;
  },
  async wait(world, dice) {
    const ms = dice.pick([10_000, 10_000, 10_000, 2 * MINUTE, 2 * MINUTE, 20 * MINUTE, 3 * HOUR, 48 * HOUR]);
    await world.settle(Math.min(ms, MINUTE));
    vi.setSystemTime(world.now + ms);
    return `${ms / 1000} s pass`;
  },
} satisfies Record<string, Act>;

export type Kind = keyof typeof acts;

const weights: Record<Kind, number> = {
  send: 260,
  deliver: 340,
  cut: 40,
  connect: 80,
  crash: 30,
  restart: 40,
  switchTab: 20,
  leave: 12,
  join: 20,
  add: 5,
  revoke: 3,
  wipe: 2,
  backup: 50,
  ask: 30,
  scroll: 20,
  wait: 40,
};

/** One thing that happens; `seed` decides about the rest of it. */
export interface Step {
  readonly kind: Kind;
  readonly seed: number;
}

export function drawSteps(seed: number, count: number): Step[] {
  const dice = new Dice(seed);
  const bag = Object.entries(weights).flatMap(([kind, weight]) => Array<Kind>(weight).fill(kind as Kind));
  return Array.from({ length: count }, () => ({ kind: dice.pick(bag), seed: dice.next() }));
}

/** Does a step; answers what happened. Some of it may still go on when the next one begins. */
export async function take(world: World, { kind, seed }: Step): Promise<string> {
  const dice = new Dice(seed);
  const told = await acts[kind](world, dice);
  if (dice.chance(0.7)) await world.settle();
  return told;
}
