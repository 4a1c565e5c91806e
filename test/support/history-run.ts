// A long history on the real write path: several people send at once and repeat what they were not told, readers
// follow over the live path with broken connections; everything is told to the checker.
import type { Deps } from '#server/deps.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { SendAck } from '#shared/messages.ts';
import { HistoryChecker, type Finding } from './history.ts';
import { Pen, type Sealed } from './messages.ts';
import type { Person } from './people.ts';
import type { RecordedEvents } from './recorded-events.ts';

/** Messages of one chain; it holds 1,000. */
const CHAIN = 900;

export interface HistoryReport {
  readonly operations: number;
  readonly sent: number;
  readonly repeated: number;
  readonly findings: readonly Finding[];
  readonly checker: HistoryChecker;
}

/** A reader's copy of one channel: takes what comes in order, reads gaps, forgets what was under way when it is cut. */
class Follower {
  readonly #last = new Map<ChannelId, number>();
  readonly #name: string;
  readonly #person: Person;
  readonly #checker: HistoryChecker;
  isCut = false;

  constructor(name: string, person: Person, checker: HistoryChecker) {
    this.#name = name;
    this.#person = person;
    this.#checker = checker;
  }

  hear(event: { channelId: ChannelId; seq: number; eventId: string; createdAt: number }): boolean {
    const last = this.#last.get(event.channelId) ?? 0;
    if (this.isCut || event.seq <= last) return true;
    if (event.seq > last + 1) return false;
    this.#last.set(event.channelId, event.seq);
    const { channelId, eventId, seq, createdAt } = event;
    const client = this.#name;
    this.#checker.record({ kind: 'seen', client, channel: channelId, event: eventId, seq, at: createdAt });
    return true;
  }

  async fill(channelId: ChannelId): Promise<void> {
    for (;;) {
      const fromSeq = (this.#last.get(channelId) ?? 0) + 1;
      const page = await this.#person.api.messages.gap({ channelId, fromSeq, toSeq: fromSeq + 499 });
      for (const event of page.events) this.hear(event);
      if (page.events.length === 0) return;
    }
  }
}

export interface HistoryOptions {
  readonly deps: Deps;
  readonly events: RecordedEvents;
  readonly people: readonly Person[];
  readonly channelIds: readonly ChannelId[];
  /** Stops once so many operations are recorded. */
  readonly operations: number;
  readonly random: () => number;
  readonly onProgress?: (operations: number) => void;
}

/** Sends in waves until there are enough operations; a wave is everybody at once, in any channel. */
export async function historyRun(options: HistoryOptions): Promise<HistoryReport> {
  const { events, people, channelIds, random } = options;
  const checker = new HistoryChecker();
  const followers = people.map((person, at) => new Follower(`reader ${at}`, person, checker));
  const pens = new Map<string, { pen: Pen; count: number }>();
  const counts = { sent: 0, repeated: 0 };
  const seal = (person: Person, channelId: ChannelId): Sealed => {
    const key = `${person.accountId} ${channelId}`;
    const held = pens.get(key);
    const next = held && held.count < CHAIN ? held : { pen: new Pen(person, channelId, 1), count: 0 };
    next.count += 1;
    pens.set(key, next);
    return next.pen.text('history');
  };
  const send = async (person: Person): Promise<void> => {
    const channel = channelIds[Math.floor(random() * channelIds.length)] as ChannelId;
    const sealed = seal(person, channel);
    const told = { channel, event: sealed.eventId };
    checker.record({ kind: 'sent', ...told });
    counts.sent += 1;
    // Some are not told the first answer and ask again, some ask twice at once.
    const tries: Promise<SendAck>[] = [person.api.messages.send(sealed)];
    if (random() < 0.1) tries.push(person.api.messages.send(sealed));
    let acks = await Promise.all(tries);
    if (random() < 0.1) acks = [await person.api.messages.send(sealed)];
    counts.repeated += tries.length - 1;
    for (const { seq } of acks) checker.record({ kind: 'acknowledged', ...told, seq });
  };
  const deliver = async (): Promise<void> => {
    for (const entry of events.calls.splice(0)) {
      if (entry.call !== 'publish' || entry.event.type !== 'event.appended') continue;
      const { event } = entry.event;
      for (const follower of followers) if (!follower.hear(event)) await follower.fill(event.channelId);
    }
    for (const follower of followers) {
      if (follower.isCut && random() < 0.3) {
        follower.isCut = false;
        for (const channelId of channelIds) await follower.fill(channelId);
      } else if (random() < 0.02) follower.isCut = true;
    }
  };
  for (let wave = 0; checker.operations < options.operations; wave++) {
    await Promise.all(people.flatMap((person) => Array.from({ length: 4 }, () => send(person))));
    await deliver();
    if (wave % 200 === 0) options.onProgress?.(checker.operations);
  }
  for (const follower of followers) {
    follower.isCut = false;
    for (const channelId of channelIds) await follower.fill(channelId);
  }
  return { operations: checker.operations, ...counts, findings: checker.findings, checker };
}

/** Holds the run against the log, read as `reader`. */
export async function finishHistory(
  { checker }: HistoryReport,
  reader: Person,
  channelIds: readonly ChannelId[],
): Promise<void> {
  for (const channelId of channelIds) {
    const log: { event: string; seq: number; at: number }[] = [];
    for (;;) {
      const fromSeq = log.length + 1;
      const page = await reader.api.messages.gap({ channelId, fromSeq, toSeq: fromSeq + 499 });
      if (page.events.length === 0) break;
      for (const { eventId, seq, createdAt } of page.events) log.push({ event: eventId, seq, at: createdAt });
    }
    checker.finish(channelId, log);
  }
}
