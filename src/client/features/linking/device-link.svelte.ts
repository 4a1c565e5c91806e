// A device of the account that lets a new one in: reads its code, shows the pictures, certifies it when a person says so.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { LinkEcho } from '#client/crypto/protocol.ts';
import { Cancelled } from '#client/lib/question.ts';
import type { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';

export type DeviceLinkStep = 'read' | 'meeting' | 'review' | 'approving' | 'linked' | 'denied';
/** Why a code was not taken. */
export type CodeRefusal = 'not_a_code' | 'newer' | 'ran_out' | 'used' | 'foreign';

const LOOK_EVERY_MS = 1000;
/** The account log may move on while somebody confirms, once or twice. */
const TRIES = 3;

export class DeviceLink {
  readonly #workspace: Workspace;
  readonly #reauthentication: Reauthentication;
  #step = $state<DeviceLinkStep>('read');
  #refusal = $state<CodeRefusal | null>(null);
  #failure = $state.raw<CallFailure | null>(null);
  #label = $state('');
  #echo = $state.raw<LinkEcho | null>(null);
  #mailboxId: string | null = null;

  constructor(workspace: Workspace, reauthentication: Reauthentication) {
    this.#workspace = workspace;
    this.#reauthentication = reauthentication;
  }

  get step(): DeviceLinkStep {
    return this.#step;
  }

  get refusal(): CodeRefusal | null {
    return this.#refusal;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  /** What the new device calls itself. */
  get label(): string {
    return this.#label;
  }

  get echo(): LinkEcho | null {
    return this.#echo;
  }

  /** A code was scanned, read from a picture, or pasted. */
  async take(code: string): Promise<void> {
    if (this.#step !== 'read') return;
    this.#refusal = null;
    this.#failure = null;
    const { crypto, api } = this.#workspace;
    try {
      const { mailboxId, meeting } = await crypto.linkMeet({ code });
      this.#step = 'meeting';
      await api.links.meet.mutate({ mailboxId, parcel: meeting });
      this.#mailboxId = mailboxId;
      await this.#await(mailboxId);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Waits until the new device asked. */
  async #await(mailboxId: string): Promise<void> {
    const { crypto, api } = this.#workspace;
    while (this.#mailboxId === mailboxId) {
      const view = await api.links.read.mutate({ mailboxId });
      if (view.request !== null) {
        const { label, echo } = await crypto.linkReview({ request: view.request });
        this.#label = label;
        this.#echo = echo;
        this.#step = 'review';
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** The person saw the same pictures on both. */
  async approve(): Promise<void> {
    const mailboxId = this.#mailboxId;
    if (this.#step !== 'review' || mailboxId === null) return;
    this.#step = 'approving';
    this.#failure = null;
    const { backup } = this.#workspace;
    try {
      // What is only here so far is on the server before the new device looks there.
      await backup.run();
      for (let left = TRIES; !(await this.#certify(mailboxId, --left === 0)););
      this.#mailboxId = null;
      this.#step = 'linked';
    } catch (error) {
      if (error instanceof Cancelled) {
        this.#step = 'review';
        return;
      }
      this.#refuse(error);
    }
  }

  /** False when the log moved on: what is new in it was fetched, and it may be tried again. */
  async #certify(mailboxId: string, isLast: boolean): Promise<boolean> {
    const { crypto, api, keys, structure } = this.#workspace;
    const username = structure.account?.username ?? '';
    const { entry, label, claimHash, grant } = await crypto.linkApprove({ username });
    try {
      await this.#reauthentication.run(() =>
        api.links.approve.mutate({ mailboxId, entry, label, claimHash, parcel: grant }),
      );
      return true;
    } catch (error) {
      const failure = failureOf(error);
      const isBehind = failure.code === 'conflict' && failure.what === 'account_log';
      if (!isBehind || isLast) throw error;
      await keys.refreshOwnLog();
      return false;
    }
  }

  /** The pictures differ: the code is void. */
  deny(): void {
    this.stop();
    this.#step = 'denied';
  }

  /** Given up, unless it is done. */
  stop(): void {
    const mailboxId = this.#mailboxId;
    this.#mailboxId = null;
    if (mailboxId !== null) void this.#workspace.api.links.close.mutate({ mailboxId }).catch(() => undefined);
  }

  #refuse(error: unknown): void {
    const wasMet = this.#mailboxId !== null;
    this.stop();
    this.#step = 'read';
    if (error instanceof CryptoCallError) {
      if (wasMet) this.#refusal = 'foreign';
      else this.#refusal = error.code === 'unsupported' ? 'newer' : 'not_a_code';
      return;
    }
    const failure = failureOf(error);
    if (failure.code === 'not_found') this.#refusal = 'ran_out';
    else if (failure.code === 'conflict') this.#refusal = 'used';
    else this.#failure = failure;
  }
}
