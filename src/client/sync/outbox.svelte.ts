// The outbox: every message is durable before it is tried, sent in order, one at a time per conversation, repeated
// byte-identical until the server has it, and refused in words. Only the leader tab sends; all tabs see the rows.
import { SvelteMap } from 'svelte/reactivity';
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi, Draft } from '#client/crypto/protocol.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { SendAck } from '#shared/messages.ts';
import type { Keys } from './keys.ts';
import {
  afterRetry,
  hasTries,
  isEnding,
  stepAfter,
  UNTRIED,
  type Ending,
  type Step,
} from './outbox-steps.ts';

export interface OutboxOptions {
  readonly crypto: CryptoApi;
  readonly api: () => Api;
  readonly keys: Keys;
  readonly now: () => number;
  /** The server has the event. True when the channel's log shows it, or will when it is opened. */
  readonly onAccepted: (channelId: ChannelId, ack: SendAck) => Promise<boolean>;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #rows = new SvelteMap<EventId, Draft>();
  readonly #busy = new Set<ChannelId>();
  /** To be gone through once more: something changed while an attempt was under way that may end for the former reason. */
  readonly #again = new Set<ChannelId>();
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
    if (this.#busy.has(channelId)) {
      this.#again.add(channelId);
      return;
    }
    this.#busy.add(channelId);
    do {
      this.#again.delete(channelId);
      // The engine went with its tab: what is kept is taken up at the next resume.
      await this.#sendAll(channelId).catch(() => undefined);
    } while (this.#again.has(channelId));
    this.#busy.delete(channelId);
  }

  async #sendAll(channelId: ChannelId): Promise<void> {
    for (;;) {
      const next = this.of(channelId).find((row) => this.#isWaiting(row));
      if (!next || !this.#mayGoOn || !(await this.#deliver(next))) return;
    }
  }

  /** True when the next draft of the channel may be tried. */
  async #deliver(draft: Draft): Promise<boolean> {
    let patience = UNTRIED;
    while (hasTries(patience) && this.#mayGoOn) {
      const step = await this.#attempt(draft);
      if (step.kind === 'paused') return false;
      if (isEnding(step)) {
        await this.#end(draft, step);
        return true;
      }
      if (step.kind === 'again') await this.#startAnew(draft);
      const next = afterRetry(patience, step);
      if (next.waitMs !== null) await wait(next.waitMs);
      if (step.kind === 'busy' && (await this.#isOvertaken(draft))) return true;
      patience = next.patience;
    }
    if (!this.#mayGoOn) return false;
    await this.#refused(draft, 'keys_unavailable');
    return true;
  }

  /** The server has it in another shape: what was made of it here is given up, or nothing more of its channel could be sent. */
  async #forget({ channelId, eventId }: Draft): Promise<void> {
    await this.#options.crypto.abandon({ channelId, eventId });
    await this.discard(eventId);
  }

  #end(draft: Draft, ending: Ending): Promise<void> {
    switch (ending.kind) {
      case 'accepted':
        return this.#keepAccepted(draft, ending.ack);
      case 'known':
        return this.#forget(draft);
      case 'refused':
        return this.#refused(draft, ending.failure);
    }
  }

  /** What keeps it is another draft, begun here or by a tab that is gone: that one goes first, or neither ever does. */
  async #isOvertaken({ channelId, eventId }: Draft): Promise<boolean> {
    await this.#reload();
    return this.of(channelId).find((row) => this.#isWaiting(row))?.eventId !== eventId;
  }

  /** Gives the ciphertext up and forgets who reads: the next attempt asks and encrypts anew. */
  async #startAnew({ channelId, eventId }: Draft): Promise<void> {
    await this.#options.crypto.abandon({ channelId, eventId });
    this.#options.keys.invalidate(channelId);
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
