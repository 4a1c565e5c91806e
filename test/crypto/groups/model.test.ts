// The model-based test (A96) of sender chains alone, without a client: three people with three devices each in two channels,
// packets and events lost, doubled and out of order, people coming and going, devices removed. The same over the whole
// client is test/client/crypto/model.test.ts.
import { expect, it } from 'vitest';
import { toHex } from '#crypto/bytes.ts';
import type { IncomingEvent } from '#crypto/dm-message.ts';
import { answerKeyRequest } from '#crypto/key-request.ts';
import { CryptoError } from '#crypto/errors.ts';
import { parseGroupEvent } from '#crypto/sender-key.ts';
import { installChain, type ReceiverChain } from '#crypto/receiver-chain.ts';
import {
  needsNewChain,
  senderChainPacket,
  wasReaderAtStart,
  type SenderChain,
} from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import {
  certOf,
  chainOf,
  CHANNEL,
  NOW,
  OTHER_CHANNEL,
  overSession,
  person,
  Speaker,
  type Person,
} from './group-people.ts';

const STEPS = 1000;
const SEEDS = [1, 2];

/** Of a seed, always the same (mulberry32). */
function diceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Device extends Person {
  readonly account: number;
  isLive: boolean;
  readonly speakers: Map<number, { speaker: Speaker; given: Map<Device, number>; lost: Set<Device> }>;
  /** By chain id (hex). */
  readonly chains: Map<string, ReceiverChain>;
  readonly read: Map<IncomingEvent, number>;
  readonly mail: { from: Device; chain: SenderChain; packet: Uint8Array }[];
}

interface Said {
  readonly at: number;
  readonly by: Device;
  readonly event: IncomingEvent;
  readonly text: string;
  readonly readers: ReadonlySet<Device>;
  /** Readers whose packet was not lost. */
  readonly reached: ReadonlySet<Device>;
}

interface Room {
  readonly id: Uint8Array;
  epoch: number;
  readonly accounts: Set<number>;
}

class Model {
  readonly devices: Device[];
  readonly rooms: Room[] = [CHANNEL, OTHER_CHANNEL].map((id) => ({
    id,
    epoch: 1,
    accounts: new Set([0, 1, 2]),
  }));
  readonly said: Said[] = [];
  readonly history: string[] = [];
  readonly #dice: (below: number) => number;
  readonly #seed: number;
  #count = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#dice = diceOf(seed);
    this.devices = ['ada', 'ben', 'cleo'].flatMap((name, account) =>
      [0, 1, 2].map((index) => {
        const empty = { speakers: new Map(), chains: new Map(), read: new Map(), mail: [] };
        return { ...person(name, index), account, isLive: true, ...empty } satisfies Device;
      }),
    );
  }

  #readersOf(room: Room): Device[] {
    return this.devices.filter((device) => device.isLive && room.accounts.has(device.account));
  }

  /** The chain a device speaks under now, handed to every reader who does not have it. */
  #speakerFor(by: Device, at: number): Speaker {
    const room = this.rooms[at]!;
    const readers = this.#readersOf(room);
    let known = by.speakers.get(at);
    const facts = { now: NOW, epoch: room.epoch, ownDeviceListHash: new Uint8Array(32) };
    if (!known || needsNewChain(known.speaker.chain, facts) !== null) {
      const seed = `model/${this.#seed}/${this.#count++}`;
      const options = {
        channelId: room.id,
        epoch: room.epoch,
        readers: readers.map(({ device }) => device.aid),
      };
      known = {
        speaker: new Speaker(by, chainOf(by, seed, options), seed),
        given: new Map(),
        lost: new Set(),
      };
      by.speakers.set(at, known);
    }
    const { speaker, given, lost } = known;
    for (const reader of readers) {
      if (reader === by || given.has(reader)) continue;
      const start = wasReaderAtStart(speaker.chain, reader.device.aid) ? 0 : speaker.chain.iter;
      given.set(reader, start);
      const mail = { from: by, chain: speaker.chain, packet: senderChainPacket(speaker.chain, start) };
      // Lost now and then: whoever misses it asks. Doubled now and then.
      const copies = [0, 1, 1, 1, 2][this.#dice(5)]!;
      if (copies === 0) lost.add(reader);
      for (let copy = 0; copy < copies; copy++) reader.mail.push(mail);
    }
    return speaker;
  }

  #say(by: Device, at: number): void {
    const room = this.rooms[at]!;
    if (!by.isLive || !room.accounts.has(by.account)) return;
    const speaker = this.#speakerFor(by, at);
    const text = `${this.#count++}`;
    const event = speaker.say(text);
    const readers = new Set(this.#readersOf(room));
    const { lost } = by.speakers.get(at)!;
    const reached = new Set([...readers].filter((reader) => reader !== by && !lost.has(reader)));
    this.said.push({ at, by, event, text, readers, reached });
  }

  collect(device: Device): void {
    const mail = device.mail.splice(0);
    while (mail.length > 0) {
      const [{ from, chain, packet }] = mail.splice(this.#dice(mail.length), 1) as [Device['mail'][number]];
      const id = toHex(chain.chainId);
      const existing = [device.chains.get(id)].filter((known) => known !== undefined);
      const installed = installChain(overSession(from, packet), {
        cert: certOf(chain, from),
        existing,
        now: NOW,
      });
      device.chains.set(id, installed.chain);
    }
  }

  /** Tries one event with whatever keys are here. */
  open(device: Device, { event, text }: Said): boolean {
    const id = toHex(parseGroupEvent(event).chainId);
    const chain = device.chains.get(id);
    if (!chain) return false;
    try {
      const next = openGroupEvent(chain, event, { minEpoch: 0, minCreatedAt: 0, now: NOW });
      device.chains.set(id, next.chain);
      expect(next.opened.content).toMatchObject({ type: 'text', text });
      device.read.set(event, (device.read.get(event) ?? 0) + 1);
      return true;
    } catch (error) {
      if (error instanceof CryptoError) return false;
      throw error;
    }
  }

  /** Asks the sender for what is missing. */
  ask(device: Device, { at, by, event }: Said): void {
    const room = this.rooms[at]!;
    const known = by.speakers.get(at);
    const { chainId, iter } = parseGroupEvent(event);
    if (!known || toHex(known.speaker.chain.chainId) !== toHex(chainId)) return;
    const asker = {
      device: device.device,
      live: device.isLive,
      member: room.accounts.has(device.account),
      givenFrom: known.given.get(device),
    };
    const request = { kind: 'key-request', channelId: room.id, chainId, iter } as const;
    const { chain } = known.speaker;
    const answer = answerKeyRequest(request, asker, { kind: 'owned', chain });
    if (answer.answer) device.mail.push({ from: by, chain, packet: answer.packet });
  }

  step(): void {
    const dice = this.#dice;
    const device = this.devices[dice(9)]!;
    const at = dice(2);
    const room = this.rooms[at]!;
    const kind = dice(100);
    if (kind < 40) this.#say(device, at);
    else if (kind < 60) this.collect(device);
    else if (kind < 90 && this.said.length > 0) {
      const one = this.said[Math.max(0, this.said.length - 1 - dice(12))]!;
      if (!device.read.has(one.event) && !this.open(device, one)) this.ask(device, one);
    } else if (kind < 94 && room.accounts.size > 1 && room.accounts.delete(device.account)) room.epoch += 1;
    else if (kind < 98) room.accounts.add(device.account);
    else if (kind === 99 && this.devices.filter((d) => d.account === device.account && d.isLive).length > 1) {
      if (!device.isLive) return;
      device.isLive = false;
      for (const each of this.rooms) each.epoch += 1;
    }
    this.history.push(`${kind} by ${this.devices.indexOf(device)} in ${at}`);
  }
}

it.each(SEEDS)('A96 chains alone: readers read once, nobody else ever (seed %i)', (seed) => {
  const model = new Model(seed);
  for (let step = 0; step < STEPS; step++) model.step();
  for (const device of model.devices) model.collect(device);
  const wrong: string[] = [];
  for (const one of model.said)
    for (const device of model.devices) {
      const who = `${model.devices.indexOf(device)} and ${one.text} (${model.history.length} steps)`;
      const isReader = one.readers.has(device);
      // Whoever is shown it, entitled or not, tries with everything there is; who may ask, asks first.
      if (!device.read.has(one.event) && !model.open(device, one)) {
        model.ask(device, one);
        model.collect(device);
        if (device !== one.by) model.open(device, one);
      }
      const times = device.read.get(one.event) ?? 0;
      if (times > 0 && !isReader && device !== one.by) wrong.push(`${who}: read and must not`);
      if (times === 0 && one.reached.has(device)) wrong.push(`${who}: must read and cannot`);
      if (times > 1) wrong.push(`${who}: read ${times} times`);
      // A second opening of the same event is refused: its key is gone.
      if (times === 1 && model.open(device, one)) wrong.push(`${who}: opened twice`);
    }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(model.said.length).toBeGreaterThan(STEPS / 10);
});
