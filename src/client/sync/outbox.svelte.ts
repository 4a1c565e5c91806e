// The outbox: every message is durable before it is tried, sent in order, one at a time per conversation, repeated
// byte-identical until the server has it, and refused in words. Only the leader tab sends; all tabs see the rows.
import { SvelteMap } from 'svelte/reactivity';
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import type { Api } from '#client/api/trpc.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { CryptoApi, Draft } from '#client/crypto/protocol.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { SendAck } from '#shared/messages.ts';
import type { Keys } from './keys.ts';

export interface OutboxOptions {
  readonly crypto: CryptoApi;
  readonly api: () => Api;
  readonly keys: Keys;
  readonly now: () => number;
  /** The server has the event. True when the channel's log shows it, or will when it is opened. */
  readonly onAccepted: (channelId: ChannelId, ack: SendAck) => Promise<boolean>;
}

/** What the drain loop does next about one draft. */
type Step =
  | { readonly kind: 'accepted'; readonly ack: SendAck }
  | { readonly kind: 'again'; readonly why: 'stale_epoch' | 'stale_devices' } // keys changed: encrypt anew
  | { readonly kind: 'paused' } // until the connection is back
  | { readonly kind: 'known' } // another tab sent it
  | { readonly kind: 'busy' } // another tab is at an event of this channel, and may have to wait for keys
  | { readonly kind: 'later'; readonly waitMs: number; readonly counts: boolean }
  | { readonly kind: 'refused'; readonly failure: string };

const TRIES = 4;
/** A device that is being added has no keys for a moment: its owner's messages wait for them, not fail. */
const NEW_DEVICE_PATIENCE_MS = limits.newDeviceMs + 60_000;
const NEW_DEVICE_WAIT_MAX_MS = 10_000;
const BUSY_WAIT_MS = 1000;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #rows = new SvelteMap<EventId, Draft>();
  readonly #busy = new Set<ChannelId>();
  /** The server has them; their rows stay until the event arrives, but nothing of them is sent again. */
  readonly #accepted = new Set<EventId>();
  readonly #tabs = new BroadcastChannel('chatalot-outbox');
  /** What was kept before is known: nothing newer goes before it. */
  #isLoaded = false;
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#tabs.addEventListener('message', () => void this.#reload());
  }

  /** Drafts of one channel, oldest first. */
  of(channelId: ChannelId): Draft[] {
    return [...this.#rows.values()].filter((row) => row.channelId === channelId);
  }

  /** How many messages are not sent. */
  get waiting(): number {
    return [...this.#rows.values()].filter(({ eventId }) => !this.#accepted.has(eventId)).length;
  }

  /** Keeps the draft, then tries to send it. Resolves when it is durable. */
  async add(draft: Draft): Promise<void> {
    this.#rows.set(draft.eventId, draft);
    await this.#options.crypto.keepDraft({ draft });
    // Whoever read what is kept a moment before did not find it.
    this.#rows.set(draft.eventId, draft);
    this.#announce();
    if (this.#isLoaded) this.drain();
    else await this.#reload().catch(() => undefined);
  }

  async retry(eventId: EventId): Promise<void> {
    const row = this.#rows.get(eventId);
    if (row) await this.add({ ...row, failure: null });
  }

  async discard(eventId: EventId): Promise<void> {
    this.#rows.delete(eventId);
    await this.#options.crypto.dropDraft({ eventId });
    this.#announce();
  }

  /** Takes up what is kept: after a reload, after a reconnect, when this tab becomes the leader. */
  async resume(): Promise<void> {
    await this.#reload();
    this.drain();
  }

  /** The event arrived in the log: the optimistic row has done its work. */
  settle(eventId: EventId): void {
    this.#accepted.delete(eventId);
    this.#rows.delete(eventId);
  }

  #isWaiting({ eventId, failure }: Draft): boolean {
    return failure === null && !this.#accepted.has(eventId);
  }

  /** Nothing more is tried from here on; what is kept is for the next one. */
  close(): void {
    this.#isClosed = true;
    this.#tabs.close();
  }

  #announce(): void {
    if (!this.#isClosed) this.#tabs.postMessage('changed');
  }

  async #reload(): Promise<void> {
    const drafts = await this.#options.crypto.drafts();
    const kept = new Set(drafts.map((draft) => draft.eventId));
    for (const id of [...this.#rows.keys()]) {
      if (!kept.has(id) && !this.#accepted.has(id)) this.#rows.delete(id);
    }
    for (const draft of drafts) {
      this.#rows.delete(draft.eventId);
      this.#rows.set(draft.eventId, draft);
    }
    this.#isLoaded = true;
    this.drain();
  }

  get #mayGoOn(): boolean {
    return !this.#isClosed && this.#options.keys.isLeader;
  }

  drain(): void {
    if (!this.#mayGoOn) return;
    const waiting = [...this.#rows.values()].filter((row) => this.#isWaiting(row));
    for (const channelId of new Set(waiting.map((row) => row.channelId))) void this.#drainChannel(channelId);
  }

  async #drainChannel(channelId: ChannelId): Promise<void> {
    if (this.#busy.has(channelId)) return;
    this.#busy.add(channelId);
    try {
      for (;;) {
        const next = this.of(channelId).find((row) => this.#isWaiting(row));
        if (!next || this.#isClosed || !(await this.#deliver(next))) return;
      }
    } catch {
      // The engine went with its tab: what is kept is taken up at the next resume.
    } finally {
      this.#busy.delete(channelId);
    }
  }

  /** True when the next draft of the channel may be tried. */
  async #deliver(draft: Draft): Promise<boolean> {
    const { channelId, eventId } = draft;
    let waitMs = 0;
    let waitedMs = 0;
    for (let attempt = 0; attempt < TRIES && this.#mayGoOn; attempt++) {
      const step = await this.#attempt(draft);
      switch (step.kind) {
        case 'accepted':
          await this.#keepAccepted(draft, step.ack);
          return true;
        case 'known':
          await this.discard(eventId);
          return true;
        case 'refused':
          await this.#refused(draft, step.failure);
          return true;
        case 'again':
          await this.#options.crypto.abandon({ channelId, eventId });
          this.#options.keys.invalidate(channelId);
          // By what was waited, not by the clock: a machine that slept meanwhile has shown nobody patience.
          if (step.why === 'stale_devices' && waitedMs < NEW_DEVICE_PATIENCE_MS) {
            await wait(waitMs);
            waitedMs += waitMs;
            waitMs = Math.min(Math.max(250, waitMs * 2), NEW_DEVICE_WAIT_MAX_MS);
            attempt -= 1;
          }
          break;
        case 'busy':
          await wait(BUSY_WAIT_MS);
          waitedMs += BUSY_WAIT_MS;
          if (waitedMs < NEW_DEVICE_PATIENCE_MS) attempt -= 1;
          break;
        case 'paused':
          return false;
        case 'later':
          await wait(step.waitMs);
          if (!step.counts) attempt -= 1;
      }
    }
    if (!this.#mayGoOn) return false;
    await this.#refused(draft, 'keys_unavailable');
    return true;
  }

  async #attempt(draft: Draft): Promise<Step> {
    const { crypto, keys, api, now } = this.#options;
    try {
      const conversation = await keys.conversation(draft.channelId);
      const invalid = await keys.prepare(conversation);
      if (conversation.kind === 'dm' && invalid.length > 0)
        return { kind: 'refused', failure: 'keys_invalid' };
      const sealed = await crypto.encrypt({ ...draft, conversation, now: now() });
      const ack = await api().messages.send.mutate({
        envelope: sealed.envelope,
        packets: [...sealed.packets],
        ...(sealed.chainCert === null ? {} : { chainCert: sealed.chainCert }),
        ...(draft.mentions.length === 0 ? {} : { notify: { accountIds: [...draft.mentions] } }),
        ...(sealed.dmDevices === null ? {} : { dmDevices: [...sealed.dmDevices] }),
      });
      if (ack.devicesVersion !== conversation.devicesVersion) keys.invalidate(draft.channelId);
      return { kind: 'accepted', ack };
    } catch (error) {
      return stepAfter(error);
    }
  }

  async #keepAccepted({ channelId, eventId }: Draft, ack: SendAck): Promise<void> {
    const { crypto, keys, onAccepted } = this.#options;
    if (this.#rows.has(eventId)) this.#accepted.add(eventId);
    await crypto.acknowledge({ channelId, eventId });
    await crypto.dropDraft({ eventId });
    void onAccepted(channelId, ack).then((isShown) => {
      if (isShown) this.settle(eventId);
    });
    this.#announce();
    // Devices that came meanwhile, or did not fit into the send, get the chain after it.
    keys.distribute(channelId).catch(() => undefined);
  }

  async #refused(draft: Draft, failure: string): Promise<void> {
    const { channelId, eventId } = draft;
    await this.#options.crypto.abandon({ channelId, eventId });
    const refused = { ...draft, failure };
    this.#rows.set(eventId, refused);
    await this.#options.crypto.keepDraft({ draft: refused });
    this.#announce();
  }
}

/** Two tabs may hold the same drafts for a moment, when one takes over from the other: what the other did counts. */
function stepAfterEngine({ code }: CryptoCallError): Step {
  switch (code) {
    case 'replay':
      return { kind: 'known' };
    case 'not_allowed':
      return { kind: 'busy' };
    case 'identity_reset':
      return { kind: 'refused', failure: 'identity_changed' };
    default:
      return { kind: 'refused', failure: 'not_encrypted' };
  }
}

/** Whether to try again, with what, and when. */
function stepAfter(error: unknown): Step {
  if (error instanceof CryptoCallError) return stepAfterEngine(error);
  const failure: CallFailure = failureOf(error);
  switch (failure.code) {
    case 'unreachable':
    case 'draining':
    case 'unauthenticated':
      return { kind: 'paused' };
    case 'rate_limited':
    case 'slow_mode':
      return { kind: 'later', waitMs: failure.retryAfterMs, counts: false };
    case 'internal':
      return { kind: 'later', waitMs: 2000, counts: true };
    case 'stale_epoch':
    case 'stale_devices':
      return { kind: 'again', why: failure.code };
    default:
      return { kind: 'refused', failure: failure.code };
  }
}
