// W3's comparison of storage alone: the commit queue of the server beside what it replaces, one insert per message
// through Prisma, each its own transaction. Same process, database, durability, row and number in flight. The single
// insert does less: it is given its seq, judges nothing and moves no cursor.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { DeviceActor, Deps } from '#server/deps.ts';
import type { ChannelId } from '#shared/ids.ts';
import { newEventId } from '#test/support/messages.ts';
import { ownSeconds } from './child.ts';

export interface Storage {
  readonly messagesPerSecond: number;
  readonly cpuMicrosecondsPerMessage: number;
}

/** The child's answer to 'storage'. */
export interface StorageComparison {
  readonly queue: Storage;
  readonly oneByOne: Storage;
}

export interface Conversation {
  readonly channelId: ChannelId;
  readonly members: readonly DeviceActor[];
}

const IN_FLIGHT = 256;
const SECONDS = 3;
const ROUNDS = 2;
const ENVELOPE_BYTES = 480;
const HASH_BYTES = 32;
/** Where the single inserts' numbers begin: far beyond what the queue allocates. */
const FIRST_SEQ = 1_000_000;

/** Keeps `IN_FLIGHT` calls of `store` going for `SECONDS`. */
async function saturate(
  store: (at: number) => Promise<unknown>,
): Promise<{ stored: number; seconds: number; cpu: number }> {
  const start = performance.now();
  const cpu = ownSeconds();
  let next = 0;
  const work = async (): Promise<void> => {
    while (performance.now() - start < SECONDS * 1000) await store(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return { stored: next, seconds: (performance.now() - start) / 1000, cpu: ownSeconds() - cpu };
}

function eventOf(conversations: readonly Conversation[], at: number) {
  const { channelId, members } = conversations[at % conversations.length]!;
  const { accountId, deviceId } = members[at % members.length]!;
  return {
    channelId,
    eventId: newEventId(),
    class: 'message',
    epoch: 1,
    envelope: new Uint8Array(randomBytes(ENVELOPE_BYTES)),
    envelopeHash: new Uint8Array(randomBytes(HASH_BYTES)),
    chainId: new Uint8Array(randomBytes(8)),
    iter: at,
    linkHash: new Uint8Array(randomBytes(HASH_BYTES)),
    commitment: new Uint8Array(randomBytes(HASH_BYTES)),
    sender: { accountId, deviceId },
  };
}

async function pushOne(deps: Deps, conversations: readonly Conversation[], at: number): Promise<void> {
  const { sender, ...event } = eventOf(conversations, at);
  const rest = {
    refId: null,
    isModerator: false,
    devicesVersion: null,
    chainCert: null,
    mentions: [],
    packets: [],
  };
  const { verdict } = await deps.sends.push({ ...event, ...sender, ...rest });
  if (verdict !== 'stored') throw new Error(`not stored: ${verdict}`);
}

async function insertOne(deps: Deps, conversations: readonly Conversation[], seq: number): Promise<void> {
  const { sender, ...event } = eventOf(conversations, seq);
  await deps.db.prisma.channelEvent.create({
    data: {
      ...event,
      seq,
      ordinal: seq,
      senderAccountId: sender.accountId,
      senderDeviceId: sender.deviceId,
      createdAt: new Date(deps.clock.now()),
    },
  });
}

/** Both in turn, twice; sums of both rounds. The database's CPU is within this process on the embedded database only. */
export async function compareStorage(
  deps: Deps,
  conversations: readonly Conversation[],
): Promise<StorageComparison> {
  const sums = { queue: { stored: 0, seconds: 0, cpu: 0 }, oneByOne: { stored: 0, seconds: 0, cpu: 0 } };
  let seq = FIRST_SEQ;
  const ways = {
    queue: (at: number) => pushOne(deps, conversations, at),
    oneByOne: () => insertOne(deps, conversations, seq++),
  };
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (const name of ['queue', 'oneByOne'] as const) {
      const { stored, seconds, cpu } = await saturate(ways[name]);
      sums[name].stored += stored;
      sums[name].seconds += seconds;
      sums[name].cpu += cpu;
    }
  }
  const storageOf = ({ stored, seconds, cpu }: typeof sums.queue): Storage => ({
    messagesPerSecond: Math.round(stored / seconds),
    cpuMicrosecondsPerMessage: Math.round((cpu * 1e6) / stored),
  });
  return { queue: storageOf(sums.queue), oneByOne: storageOf(sums.oneByOne) };
}
