// A client that never gives up: it repeats what was not answered under the same eventId, fills gaps after each
// reconnect, and tells the checker of histories everything it sent, had acknowledged and saw.
import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveEvent } from '#shared/events.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { ChannelEvent, GapPage, SendAck } from '#shared/messages.ts';
import type { HistoryChecker } from './history.ts';
import type { Sealed } from './messages.ts';
import { RawSocket, RefusedError } from './raw-socket.ts';

/** Refusals that say nothing about the message: it is sent again. */
const passing = new Set(['connection', 'draining', 'rate_limited', 'limit_reached', 'internal', 'disk_low']);
const GAP = 500;

export interface RecordingOptions {
  readonly name: string;
  readonly port: number;
  readonly token: () => Promise<string>;
  readonly channelIds: readonly ChannelId[];
  readonly checker: HistoryChecker;
  /** Wait before a reconnect, in ms. */
  readonly reconnectMs?: () => number;
}

interface View {
  last: number;
  readonly ahead: Map<number, ChannelEvent>;
  filling: boolean;
}

export class RecordingClient {
  readonly #options: RecordingOptions;
  readonly #views = new Map<ChannelId, View>();
  readonly #closeCodes: number[] = [];
  readonly heard: LiveEvent['type'][] = [];
  /** Refusals of sends, as they came. */
  readonly refusals: string[] = [];
  #socket: RawSocket | null = null;
  #online: Promise<RawSocket>;
  #setOnline: (socket: RawSocket) => void = () => undefined;
  #isOnline = false;
  #stopped = false;

  constructor(options: RecordingOptions) {
    this.#options = options;
    for (const channelId of options.channelIds) {
      this.#views.set(channelId, { last: 0, ahead: new Map(), filling: false });
    }
    this.#online = new Promise((resolve) => (this.#setOnline = resolve));
    void this.#connect();
  }

  get closeCodes(): readonly number[] {
    return this.#closeCodes;
  }

  get socket(): RawSocket | null {
    return this.#socket;
  }

  /** Seq up to which this client has seen the channel. */
  seen(channelId: ChannelId): number {
    return this.#views.get(channelId)?.last ?? 0;
  }

  /** Resolves once connected and subscribed. */
  async ready(): Promise<void> {
    await this.#online;
  }

  /** Sends until it is acknowledged. @throws RefusedError when the server refuses the message itself */
  async send(channelId: ChannelId, sealed: Sealed): Promise<SendAck> {
    const { checker } = this.#options;
    const told = { channel: channelId, event: sealed.eventId };
    checker.record({ kind: 'sent', ...told });
    for (;;) {
      try {
        const ack = await this.call<SendAck>('mutation', 'messages.send', inputOf(sealed));
        checker.record({ kind: 'acknowledged', ...told, seq: ack.seq });
        return ack;
      } catch (cause) {
        const code = cause instanceof RefusedError ? cause.code : 'connection';
        this.refusals.push(code);
        if (!passing.has(code) || this.#stopped) {
          if (!passing.has(code)) checker.record({ kind: 'refused', ...told });
          throw cause;
        }
        await sleep(code === 'connection' ? 5 : 50 + Math.random() * 100);
      }
    }
  }

  async call<T>(method: 'query' | 'mutation', path: string, input: unknown): Promise<T> {
    const socket = await this.#online;
    return socket.call<T>(method, path, input);
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.close();
  }

  async #connect(): Promise<void> {
    const { port, token } = this.#options;
    // Whoever waits for a connection waits for the next one.
    const socket: RawSocket = new RawSocket({
      port,
      token: await token(),
      onEvent: (event) => this.#hear(socket, event),
      onClose: (code) => void this.#closed(code),
    });
    this.#socket = socket;
    if (this.#stopped) socket.close();
  }

  async #closed(code: number): Promise<void> {
    this.#closeCodes.push(code);
    this.#socket = null;
    if (this.#isOnline) this.#online = new Promise((resolve) => (this.#setOnline = resolve));
    this.#isOnline = false;
    if (this.#stopped) return;
    await sleep(this.#options.reconnectMs?.() ?? 10 + Math.random() * 40);
    if (!this.#stopped) await this.#connect();
  }

  #hear(socket: RawSocket, event: LiveEvent): void {
    this.heard.push(event.type);
    if (event.type === 'live.opened') {
      this.#isOnline = true;
      this.#setOnline(socket);
      for (const channelId of this.#views.keys()) void this.#fill(channelId);
      return;
    }
    if (event.type !== 'event.appended') return;
    const view = this.#views.get(event.event.channelId);
    if (!view || event.event.seq <= view.last) return;
    view.ahead.set(event.event.seq, event.event);
    this.#apply(event.event.channelId, view);
    if (view.ahead.size > 0) void this.#fill(event.event.channelId);
  }

  #apply(channelId: ChannelId, view: View): void {
    const { checker, name } = this.#options;
    for (let next = view.ahead.get(view.last + 1); next; next = view.ahead.get(view.last + 1)) {
      const { seq, eventId, createdAt } = next;
      view.ahead.delete(seq);
      view.last = seq;
      checker.record({ kind: 'seen', client: name, channel: channelId, event: eventId, seq, at: createdAt });
    }
  }

  /** Reads on from what was seen until nothing is missing; gives up silently with the connection. */
  async #fill(channelId: ChannelId): Promise<void> {
    const view = this.#views.get(channelId);
    if (!view || view.filling) return;
    view.filling = true;
    try {
      for (;;) {
        const fromSeq = view.last + 1;
        const page = await this.#gap(channelId, fromSeq);
        for (const event of page.events) if (event.seq > view.last) view.ahead.set(event.seq, event);
        this.#apply(channelId, view);
        if (page.events.length === 0 || view.last < fromSeq) break;
      }
    } catch (cause) {
      // A passing refusal while connected: the next event or reconnect asks again.
      if (cause instanceof RefusedError && cause.code !== 'connection' && !this.#stopped) {
        setTimeout(() => void this.#fill(channelId), 200);
      }
    } finally {
      view.filling = false;
    }
  }

  async #gap(channelId: ChannelId, fromSeq: number): Promise<GapPage> {
    const socket = this.#socket;
    if (!socket) throw new RefusedError('connection');
    return socket.call('query', 'messages.gap', { channelId, fromSeq, toSeq: fromSeq + GAP - 1 });
  }
}

const inputOf = ({ envelope, packets, chainCert }: Sealed): object => ({
  envelope,
  packets,
  ...(chainCert === undefined ? {} : { chainCert }),
});

/** The channel's whole log as the server has it. */
export async function readLog(
  client: RecordingClient,
  channelId: ChannelId,
): Promise<{ event: string; seq: number; at: number }[]> {
  const log: { event: string; seq: number; at: number }[] = [];
  for (;;) {
    const fromSeq = log.length + 1;
    const input = { channelId, fromSeq, toSeq: fromSeq + GAP - 1 };
    const { events } = await client.call<GapPage>('query', 'messages.gap', input);
    if (events.length === 0) return log;
    for (const { eventId, seq, createdAt } of events) log.push({ event: eventId, seq, at: createdAt });
  }
}
