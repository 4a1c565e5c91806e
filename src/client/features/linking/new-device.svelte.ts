// A browser without an account on it that wants to become one of somebody's devices: the code it shows, who read it,
// the pictures, and the log-in at the end.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { LinkEcho } from '#client/crypto/protocol.ts';
import { deviceLabel } from '#client/lib/device-label.ts';
import type { Session } from '#client/features/session/session.svelte.ts';
import { limits } from '#shared/limits.ts';
import type { LinkView } from '#shared/links.ts';

/** `over`: the code is spent or too old. `foreign`: what arrived was not of whoever read the code. */
export type NewLinkStep = 'making' | 'shown' | 'compare' | 'entering' | 'over' | 'foreign';

const LOOK_EVERY_MS = 1000;

export class NewLink {
  readonly #session: Session;
  #step = $state<NewLinkStep>('making');
  #code = $state('');
  #echo = $state.raw<LinkEcho | null>(null);
  #leftMs = $state<number>(limits.linkMs);
  #failure = $state.raw<CallFailure | null>(null);
  #username = '';
  #mailboxId: string | null = null;
  /** Counts what was begun and given up: what is of an earlier count says nothing any more. */
  #attempt = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get step(): NewLinkStep {
    return this.#step;
  }

  /** To show, as a picture and as text. */
  get code(): string {
    return this.#code;
  }

  get echo(): LinkEcho | null {
    return this.#echo;
  }

  /** How long the code is still good, ms. */
  get leftMs(): number {
    return this.#leftMs;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  /** Whose account this browser belongs to now. */
  get username(): string {
    return this.#username;
  }

  /** Shows a fresh code and waits. Answers whether the person is signed in at the end; false when it was given up. */
  async run(): Promise<boolean> {
    this.stop();
    const attempt = this.#attempt;
    this.#step = 'making';
    this.#failure = null;
    this.#echo = null;
    try {
      const { mailboxId, code } = await this.#session.crypto.linkOffer();
      await this.#session.http.links.open.mutate({ mailboxId });
      if (attempt !== this.#attempt) return false;
      this.#mailboxId = mailboxId;
      this.#code = code;
      this.#leftMs = limits.linkMs;
      this.#step = 'shown';
      return await this.#watch(mailboxId, Date.now() + limits.linkMs);
    } catch (error) {
      if (attempt === this.#attempt) this.#end(error);
      return false;
    }
  }

  /** The page is left, or another code is wanted: nobody can use this one any more. */
  stop(): void {
    this.#attempt++;
    const mailboxId = this.#mailboxId;
    this.#mailboxId = null;
    if (mailboxId !== null) void this.#session.http.links.close.mutate({ mailboxId }).catch(() => undefined);
  }

  async #watch(mailboxId: string, until: number): Promise<boolean> {
    while (this.#mailboxId === mailboxId) {
      this.#leftMs = Math.max(0, until - Date.now());
      const view = await this.#look(mailboxId);
      if (this.#mailboxId !== mailboxId) return false;
      if (view && (await this.#take(mailboxId, view))) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return false;
  }

  /** null while the server cannot be reached: the next look may. */
  async #look(mailboxId: string): Promise<LinkView | null> {
    try {
      return await this.#session.http.links.read.mutate({ mailboxId });
    } catch (error) {
      const { code } = failureOf(error);
      if (code === 'unreachable' || code === 'rate_limited' || code === 'draining') return null;
      throw error;
    }
  }

  async #take(mailboxId: string, view: LinkView): Promise<boolean> {
    const { crypto, http } = this.#session;
    if (view.meeting !== null && this.#echo === null) {
      const label = deviceLabel();
      const asked = await crypto.linkRequest({ meeting: view.meeting, label, now: Date.now() });
      await http.links.ask.mutate({ mailboxId, parcel: asked.request });
      this.#echo = asked.echo;
      this.#step = 'compare';
    }
    if (view.grant === null) return false;
    this.#step = 'entering';
    const { claim, username } = await crypto.linkTake({ grant: view.grant });
    this.#username = username;
    const grant = await http.auth.claimLink.mutate({ mailboxId, claim });
    this.#mailboxId = null;
    await this.#session.enterLinked(grant);
    return true;
  }

  #end(error: unknown): void {
    this.#mailboxId = null;
    if (error instanceof CryptoCallError) this.#step = 'foreign';
    else {
      const failure = failureOf(error);
      this.#step = 'over';
      if (failure.code !== 'not_found' && failure.code !== 'conflict') this.#failure = failure;
    }
  }
}
