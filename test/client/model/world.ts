// Three people with up to three devices each, two channels, their direct conversations, and everything that happens to
// them in the model-based test (A96). A step is data; the same steps under the same seed are the same run.
import { setImmediate } from 'node:timers';
import { isDeepStrictEqual } from 'node:util';
import { vi } from 'vitest';
import type { BackupStep, CryptoApi, Draft } from '#client/crypto/protocol.ts';
import { keys, type PeerRecord } from '#client/crypto/records.ts';
import { bytesToUuid, timeOrderedId, utf8 } from '#crypto/index.ts';
import { MemoryStore } from '#crypto/memory-store.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import type { BackupStatus } from '#shared/backup.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, DeviceId, EventId } from '#shared/ids.ts';
import { Dice } from './dice.ts';
import { Ledger, type Watched } from './ledger.ts';
import type { Line } from './line.ts';
import { nodeBackend } from './node-backend.ts';
import { ModelServer, type Channel, type Sender } from './server.ts';
import { Tab, type Place } from './tab.ts';

export const MAX_DEVICES = 3;

export interface Person {
  readonly name: string;
  readonly accountId: AccountId;
  readonly devices: Device[];
}

/** A browser of somebody. `alive`: in use; `lost`: its storage is gone; `revoked`: taken off the account. */
export class Device implements Watched {
  readonly person: Person;
  readonly deviceId: DeviceId;
  readonly disk: MemoryStore;
  readonly line: Line;
  readonly heard: LiveEvent[] = [];
  /** What its person has read. */
  readonly read = new Map<EventId, string>();
  readonly addedAt: number;
  revokedAt = Infinity;
  isLost = false;
  tab!: Tab;

  constructor(of: { person: Person; deviceId: DeviceId; disk: MemoryStore; line: Line; addedAt: number }) {
    this.person = of.person;
    this.deviceId = of.deviceId;
    this.disk = of.disk;
    this.line = of.line;
    this.addedAt = of.addedAt;
  }

  get accountId(): AccountId {
    return this.person.accountId;
  }

  get isAlive(): boolean {
    return !this.isLost && this.revokedAt === Infinity;
  }

  get name(): string {
    return `${this.person.name}'s ${this.deviceId.slice(0, 4)}`;
  }
}

export const textOf = (eventId: EventId): string => `what ${eventId} says`;

export class World {
  readonly server: ModelServer;
  readonly ledger = new Ledger();
  readonly people: Person[] = [];
  /** What must not happen and did. */
  readonly faults: string[] = [];
  /** Durable drafts, by whom. */
  readonly written = new Map<EventId, Device>();
  readonly #seed: number;
  #made = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.server = new ModelServer({
      now: () => this.now,
      publish: (deviceId, event) => this.#tell(deviceId, event),
      onStored: ({ event }) => this.ledger.took(event, this.server.channels.get(event.channelId)!),
      onRevoked: (deviceId) => {
        const device = this.devices.find((known) => known.deviceId === deviceId);
        if (device) device.revokedAt = this.ledger.revoked();
      },
    });
  }

  get now(): number {
    return Date.now();
  }

  get devices(): Device[] {
    return this.people.flatMap((person) => person.devices);
  }

  get alive(): Device[] {
    return this.devices.filter((device) => device.isAlive);
  }

  get channels(): Channel[] {
    return [...this.server.channels.values()].filter((channel) => channel.kind !== 'dm');
  }

  /** Randomness nobody else has. */
  rng(name: string): ReturnType<typeof seededRng> {
    return seededRng(utf8(`${this.#seed}/${name}/${this.#made++}`));
  }

  id(): string {
    return bytesToUuid(timeOrderedId(this.now, this.rng('id')));
  }

  #tell(deviceId: DeviceId, event: LiveEvent): void {
    if (event.type === 'mailbox.received') this.ledger.posted(deviceId, event.packet);
    const device = this.devices.find((known) => known.deviceId === deviceId);
    if (device?.line.isUp) device.heard.push(structuredClone(event));
  }

  static async start(seed: number): Promise<World> {
    const world = new World(seed);
    for (const name of ['ada', 'ben', 'cleo']) await world.#register(name);
    for (const historyPolicy of ['shared', 'since_join'] as const)
      world.#open('text', historyPolicy, world.people);
    for (const [at, one] of world.people.entries())
      for (const other of world.people.slice(at + 1)) world.#open('dm', 'since_join', [one, other]);
    for (const device of world.devices) void device.tab.connected();
    await world.settle();
    return world;
  }

  #open(kind: Channel['kind'], historyPolicy: Channel['historyPolicy'], people: readonly Person[]): void {
    const channelId = this.id() as ChannelId;
    const channel = { channelId, kind, historyPolicy, epoch: 1, devicesVersion: 1 };
    const readers = new Set<AccountId>();
    this.server.channels.set(channelId, { ...channel, readers, log: [], certs: new Map() });
    for (const { accountId } of people) {
      this.server.join(channelId, accountId);
      this.ledger.joined(channelId, accountId);
    }
  }

  place(of: { accountId: AccountId; deviceId: () => DeviceId }): Place {
    const { ledger } = this;
    return {
      server: this.server,
      backend: nodeBackend,
      now: () => this.now,
      onFault: (what) => void this.faults.push(what),
      onAnswer: (method, input, value) => {
        const who = { accountId: of.accountId, deviceId: of.deviceId() };
        if (method === 'encrypt') ledger.encrypted(who, input as never, value as never);
        else if (method === 'distribute') ledger.distributed(who, input as never, value as never);
        else this.#listenForAlarms(method, value);
        if (method === 'compareBackup' || method === 'takeBackup')
          void this.#judgeRefusal(who, { input, step: value as BackupStep });
      },
    };
  }

  #listenForAlarms(method: keyof CryptoApi, value: unknown): void {
    const alarms =
      method === 'ingestLogs' || method === 'receivePackets' ? (value as { alarms: unknown }).alarms : [];
    if ((alarms as unknown[]).length > 0) this.faults.push(`false alarm: ${JSON.stringify(alarms)}`);
  }

  /**
   * A backup is refused never, not for a moment: this server hands out what it was given. Excused is only who judged it by a
   * log, or by a state of the list, that was not the newest any more; it asks for both and judges again.
   */
  async #judgeRefusal(who: Sender, { input, step }: { input: unknown; step: BackupStep }): Promise<void> {
    if (step.state !== 'refused') return;
    const { status: shown } = input as { status?: BackupStatus };
    const { headSeq } = this.server.account(who.accountId).state;
    if (shown && !isDeepStrictEqual(shown, this.server.backupStatus(who))) return;
    const device = this.devices.find(({ deviceId }) => deviceId === who.deviceId);
    if (!device?.isAlive) return;
    const path = `${who.accountId}/${keys.peer(who.accountId)}`;
    const known = (await device.disk.list(path)).get(path)?.value as PeerRecord;
    if (known.log.headSeq < headSeq) return;
    this.faults.push(`${device.name} refuses the backup: ${JSON.stringify(step.refusal)}`);
  }

  async #register(name: string): Promise<void> {
    const disk = new MemoryStore();
    const line = this.newLine();
    let deviceId = '' as DeviceId;
    const who = { accountId: '' as AccountId, deviceId };
    const place = this.place({ accountId: who.accountId, deviceId: () => deviceId });
    const entry = new Tab(place, { who, disk, line, rng: this.rng(name) });
    const made = await entry.crypto.prepareAccount({ password: `${name}-password`, now: this.now });
    await entry.crypto.adopt();
    ({ deviceId } = made);
    entry.die();
    this.server.register(made.accountId, made);
    const person: Person = { name, accountId: made.accountId, devices: [] };
    this.people.push(person);
    await this.addDevice({ person, deviceId, disk, line });
  }

  newLine(): Line {
    return { isUp: true, faults: 0, dice: new Dice(this.#seed + this.#made++) };
  }

  async addDevice(of: {
    person: Person;
    deviceId: DeviceId;
    disk: MemoryStore;
    line: Line;
  }): Promise<Device> {
    const device = new Device({ ...of, addedAt: ++this.ledger.tick });
    of.person.devices.push(device);
    await this.openTab(device);
    return device;
  }

  /** A fresh tab of a device; what another one did not finish is lost with it. */
  async openTab(device: Device): Promise<Tab> {
    const { accountId, deviceId, disk, line } = device;
    const place = this.place({ accountId, deviceId: () => deviceId });
    const tab = new Tab(place, { who: device, disk, line, rng: this.rng(device.name) });
    device.tab = tab;
    device.heard.length = 0;
    await tab.crypto.open({ accountId });
    return tab;
  }

  /** Durable unless the tab dies meanwhile; then it may be either. */
  write(device: Device, channelId: ChannelId): void {
    const eventId = this.id() as EventId;
    const draft: Draft = {
      eventId,
      channelId,
      class: 'message',
      content: { type: 'text', text: textOf(eventId), replyTo: null },
      refId: null,
      mentions: [],
      createdAt: this.now,
      failure: null,
    };
    const { tab } = device;
    void tab.outbox.add(draft).then(() => this.written.set(eventId, device));
  }

  /** Until nothing runs any more. Timers that are due within `ms` go off. */
  async settle(ms = 0): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (ms === 0 || vi.getTimerCount() === 0 || this.now >= until) break;
      await vi.advanceTimersByTimeAsync(Math.min(1000, until - this.now));
    }
  }
}
