// Judges what clients recorded: whatever crashed, was cut off or repeated in between, each channel must look like one
// gapless list that only ever grew. Pure and streaming, so that a million operations need no million records.

/** One thing a client did or saw, told in the order in which it happened. */
export type Observation =
  /** A send leaves for the first time; repeats of it are not told. */
  | { readonly kind: 'sent'; readonly channel: string; readonly event: string }
  | { readonly kind: 'acknowledged'; readonly channel: string; readonly event: string; readonly seq: number }
  /** Refused for good: it must never be seen. */
  | { readonly kind: 'refused'; readonly channel: string; readonly event: string }
  /** Applied by a client, live or by filling a gap, in the order of its applying. */
  | {
      readonly kind: 'seen';
      readonly client: string;
      readonly channel: string;
      readonly event: string;
      readonly seq: number;
      /** Server's time, ms since the epoch. */
      readonly at?: number;
    };

export interface LogEntry {
  readonly event: string;
  readonly seq: number;
  readonly at?: number;
}

export type Violation =
  | 'two events at one seq'
  | 'one event at two seqs'
  | 'gap'
  | 'went back'
  | 'seen twice'
  | 'phantom'
  | 'refused but stored'
  | 'acknowledged but lost'
  | 'order of time'
  | 'clock ran back';

export interface Finding {
  readonly violation: Violation;
  readonly channel: string;
  readonly event: string;
  readonly seq: number | null;
  readonly client: string | null;
}

interface ChannelFacts {
  readonly eventAt: Map<number, string>;
  readonly seqOf: Map<string, number>;
  readonly acknowledged: Map<string, number>;
  readonly refused: Set<string>;
  /** Sent: the highest seq acknowledged before it left. */
  readonly sent: Map<string, number>;
  /** Last seq and time each client applied. */
  readonly views: Map<string, { seq: number; at: number }>;
  highestAcknowledged: number;
}

const newFacts = (): ChannelFacts => ({
  eventAt: new Map(),
  seqOf: new Map(),
  acknowledged: new Map(),
  refused: new Set(),
  sent: new Map(),
  views: new Map(),
  highestAcknowledged: 0,
});

export class HistoryChecker {
  readonly #channels = new Map<string, ChannelFacts>();
  readonly #findings: Finding[] = [];
  #operations = 0;

  /** Sends, acknowledgements, refusals and sightings told so far. */
  get operations(): number {
    return this.#operations;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  record(seen: Observation): void {
    this.#operations += 1;
    const facts = this.#facts(seen.channel);
    if (seen.kind === 'sent') {
      if (!facts.sent.has(seen.event)) facts.sent.set(seen.event, facts.highestAcknowledged);
    } else if (seen.kind === 'refused') facts.refused.add(seen.event);
    else if (seen.kind === 'acknowledged') this.#acknowledge(facts, seen);
    else this.#see(facts, seen);
  }

  /** Holds everything told against the channel's log as the server has it in the end, whole and in its order. */
  finish(channel: string, log: Iterable<LogEntry>): void {
    const facts = this.#facts(channel);
    const stored = new Set<string>();
    let last = { seq: 0, at: -Infinity };
    for (const entry of log) {
      const place = { channel, client: null, ...entry };
      if (stored.has(entry.event)) this.#report('one event at two seqs', place);
      stored.add(entry.event);
      if (entry.seq !== last.seq + 1) this.#report(entry.seq <= last.seq ? 'went back' : 'gap', place);
      if ((entry.at ?? Infinity) < last.at) this.#report('clock ran back', place);
      last = { seq: entry.seq, at: entry.at ?? last.at };
      this.#place(facts, place);
      this.#judgeExistence(facts, place);
    }
    for (const [event, seq] of facts.acknowledged)
      if (!stored.has(event)) this.#report('acknowledged but lost', { channel, event, seq, client: null });
    for (const [event, seq] of facts.seqOf)
      if (!stored.has(event)) this.#report('phantom', { channel, event, seq, client: null });
  }

  #acknowledge(facts: ChannelFacts, ack: Observation & { readonly kind: 'acknowledged' }): void {
    const place = { ...ack, client: null };
    this.#place(facts, place);
    if (!facts.sent.has(ack.event)) this.#report('phantom', place);
    // What was acknowledged before this one left must lie before it.
    if (ack.seq <= (facts.sent.get(ack.event) ?? 0)) this.#report('order of time', place);
    facts.acknowledged.set(ack.event, ack.seq);
    facts.highestAcknowledged = Math.max(facts.highestAcknowledged, ack.seq);
  }

  #see(facts: ChannelFacts, seen: Observation & { readonly kind: 'seen' }): void {
    this.#place(facts, seen);
    this.#judgeExistence(facts, seen);
    const view = facts.views.get(seen.client);
    const at = seen.at ?? -Infinity;
    if (view) {
      if (seen.seq === view.seq) this.#report('seen twice', seen);
      else if (seen.seq < view.seq) this.#report('went back', seen);
      else if (seen.seq > view.seq + 1) this.#report('gap', seen);
      if (seen.seq > view.seq && at < view.at) this.#report('clock ran back', seen);
    }
    facts.views.set(seen.client, { seq: Math.max(view?.seq ?? 0, seen.seq), at });
  }

  #judgeExistence(facts: ChannelFacts, seen: Omit<Finding, 'violation'>): void {
    if (!facts.sent.has(seen.event)) this.#report('phantom', seen);
    if (facts.refused.has(seen.event)) this.#report('refused but stored', seen);
  }

  /** One event per seq and one seq per event, whoever says so. */
  #place(facts: ChannelFacts, at: Omit<Finding, 'violation'> & { readonly seq: number }): void {
    const known = facts.eventAt.get(at.seq);
    if (known === undefined) facts.eventAt.set(at.seq, at.event);
    else if (known !== at.event) this.#report('two events at one seq', at);
    const seq = facts.seqOf.get(at.event);
    if (seq === undefined) facts.seqOf.set(at.event, at.seq);
    else if (seq !== at.seq) this.#report('one event at two seqs', at);
  }

  #report(violation: Violation, { channel, event, seq, client }: Omit<Finding, 'violation'>): void {
    this.#findings.push({ violation, channel, event, seq, client });
  }

  #facts(channel: string): ChannelFacts {
    let facts = this.#channels.get(channel);
    if (!facts) this.#channels.set(channel, (facts = newFacts()));
    return facts;
  }
}
