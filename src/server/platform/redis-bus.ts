// The bus over Redis' publish/subscribe, on one channel that every node listens to. Messages are numbered per sender
// and lane, and a beat every second says how far each sender is: so every loss is noticed within a second or two of
// the connection's return, whichever side was cut. A node is up while it hears its own beats.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus, BusHandlers, CountedLane, Lane } from './bus.ts';
import { Peers, type Counts } from './peers.ts';
import type { RedisLink } from './redis.ts';

const BEAT_MS = 1_000;
/** Own beats in a row that did not come back: the connection is given up. */
const UNANSWERED_BEATS = 4;
/** How long a start waits for a Redis that is away. */
const START_MS = 3_000;
const FORGET_TICKS = 3_600;
/** Messages waiting to be handled; beyond it they are dropped and counted as missed. */
const MAX_WAITING = 50_000;

const codes: Readonly<Record<Lane, string>> = { events: 'e', presence: 'p', passing: 'x' };
const lanes = new Map(Object.entries(codes).map(([lane, code]) => [code, lane as Lane]));
const BEAT = 'b';

interface Beat extends Counts {
  readonly kinship: string;
}

/** A node with the same address and Redis has other secrets. The message is safe to print. */
export class StrangerError extends Error {
  constructor() {
    super(
      'Another node of this instance (same PUBLIC_URL, same Redis) has other secrets: what one signs the other would ' +
        'refuse. Give every node the same JWT_KEY, FRANKING_KEY and KDF_FAKE_KEY (docs/self-hosting.md, "Several nodes").',
    );
    this.name = 'StrangerError';
  }
}

/** What a beat says; null when it is none. */
function readBeat(json: string): Beat | null {
  try {
    const { events, presence, kinship } = JSON.parse(json) as Partial<Record<keyof Beat, unknown>>;
    const isBeat = typeof events === 'number' && typeof presence === 'number' && typeof kinship === 'string';
    return isBeat ? { events, presence, kinship } : null;
  } catch {
    return null;
  }
}

export interface RedisBusOptions<M> {
  readonly link: RedisLink;
  /** The same on all nodes that may work together; anything else is another instance's. */
  readonly kinship: string;
  /** Milliseconds without a sign after which a node is lost. */
  readonly leaseMs: number;
  /** Checks what came in; null when it is no message of this version. */
  readonly parse: (json: string) => M | null;
}

export class RedisBus<M> implements Bus<M> {
  readonly nodeId = randomUUID().slice(0, 8);
  readonly #options: RedisBusOptions<M>;
  readonly #channel: string;
  readonly #peers: Peers;
  readonly #sent: Record<CountedLane, number> = { events: 0, presence: 0 };
  #handlers: BusHandlers<M> | null = null;
  #waiting: { readonly from: string; readonly lane: Lane; readonly json: string }[] = [];
  #isHandling = false;
  #unanswered = 0;
  #isUp = false;
  #hasMetStranger = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RedisBusOptions<M>) {
    this.#options = options;
    this.#channel = `${options.link.prefix}bus`;
    this.#peers = new Peers({
      leaseTicks: Math.ceil(options.leaseMs / BEAT_MS),
      forgetTicks: FORGET_TICKS,
      onMissed: (from, lane) => this.#handlers?.missed(from, lane),
      onLost: (from) => this.#handlers?.lost(from),
    });
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get peers(): number {
    return this.#peers.size;
  }

  publish(lane: Lane, message: M): void {
    const n = lane === 'passing' ? 0 : (this.#sent[lane] += 1);
    this.#say(`${this.nodeId} ${codes[lane]} ${n} ${JSON.stringify(message)}`);
  }

  async start(handlers: BusHandlers<M>): Promise<void> {
    this.#handlers = handlers;
    const { commands, subscriber } = this.#options.link;
    for (const redis of [commands, subscriber]) redis.on('close', () => this.#turn(false));
    subscriber.on('message', (_channel: string, text: string) => this.#hear(text));
    subscriber.on('ready', () => void this.#subscribe());
    if (subscriber.status === 'ready') void this.#subscribe();
    this.#timer = setInterval(() => this.#tick(), BEAT_MS).unref();
    for (let waited = 0; !this.#isUp && waited < START_MS; waited += 50) {
      this.#beat();
      await sleep(50);
    }
    // Every node that lives beats once in this time, and is known before anybody listens here.
    if (this.#isUp) await sleep(BEAT_MS * 1.5);
    if (this.#hasMetStranger) throw new StrangerError();
    this.#peers.settle();
    if (!this.#isUp) this.#options.link.log.warn('redis.down');
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#handlers = null;
    this.#options.link.close();
  }

  async #subscribe(): Promise<void> {
    await this.#options.link.subscriber.subscribe(this.#channel).catch(() => undefined);
    this.#beat();
  }

  #tick(): void {
    this.#peers.tick();
    if (this.#unanswered >= UNANSWERED_BEATS) {
      this.#turn(false);
      this.#unanswered = 0;
      this.#options.link.renew();
    }
    this.#unanswered += 1;
    this.#beat();
  }

  #beat(): void {
    this.#say(
      `${this.nodeId} ${BEAT} 0 ${JSON.stringify({ ...this.#sent, kinship: this.#options.kinship })}`,
    );
  }

  /** What does not arrive leaves a gap in the numbers, which receivers notice. */
  #say(text: string): void {
    const { commands } = this.#options.link;
    if (commands.status === 'ready') commands.publish(this.#channel, text).catch(() => undefined);
  }

  #turn(isUp: boolean): void {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    this.#options.link.log.warn(isUp ? 'redis.up' : 'redis.down');
    this.#handlers?.turned(isUp);
  }

  #hear(text: string): void {
    const [from = '', code = '', number = ''] = text.split(' ', 3);
    const json = text.slice(from.length + code.length + number.length + 3);
    if (from === this.nodeId) {
      if (code !== BEAT) return;
      this.#unanswered = 0;
      return this.#turn(true);
    }
    if (code === BEAT) {
      const beat = readBeat(json);
      if (beat && beat.kinship !== this.#options.kinship) return this.#meetStranger();
      if (beat) this.#peers.beat(from, beat);
      return;
    }
    const lane = lanes.get(code);
    if (!lane) return;
    if (lane !== 'passing' && !this.#peers.message(from, lane, Number(number))) return;
    if (this.#waiting.length >= MAX_WAITING) return this.#overflow();
    this.#waiting.push({ from, lane, json });
    if (!this.#isHandling) void this.#handle();
  }

  #meetStranger(): void {
    if (!this.#hasMetStranger) this.#options.link.log.error('bus.stranger');
    this.#hasMetStranger = true;
  }

  #overflow(): void {
    const senders = new Set(this.#waiting.map(({ from }) => from));
    this.#waiting = [];
    for (const from of senders)
      for (const lane of ['events', 'presence'] as const) this.#handlers?.missed(from, lane);
  }

  async #handle(): Promise<void> {
    this.#isHandling = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const { from, lane, json } = next;
      try {
        const message = this.#options.parse(json);
        if (message !== null) {
          const done = this.#handlers?.heard(from, message);
          if (done) await done;
          continue;
        }
      } catch (cause) {
        this.#options.link.log.error('bus.failed', { cause });
      }
      // Not understood, or not carried out: as good as lost.
      if (lane !== 'passing') this.#handlers?.missed(from, lane);
    }
    this.#isHandling = false;
  }
}
