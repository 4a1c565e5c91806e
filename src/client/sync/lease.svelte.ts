// The lease (protocol 3.6, A47): the leader tab says to the server which epoch its device's state goes on under. When there
// is another living or older state of the same device, nothing is sent or received here any more.
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi, LeaseClaim } from '#client/crypto/protocol.ts';
import { limits } from '#shared/limits.ts';

export interface LeaseOptions {
  readonly crypto: CryptoApi;
  readonly api: () => Api;
  /** This tab has the device's keys. */
  readonly isLeading: () => boolean;
  /** The device was copied, or may have been: nothing is sent or received for now. */
  readonly onDoubt: () => void;
  /** The time has come to ask again. */
  readonly onAgain: () => void;
}

const SETTLE_MORE_MS = 1000;
/** After the server could not be asked. */
const RETRY_MS = 5000;

export class Lease {
  readonly #options: LeaseOptions;
  #isCopied = $state(false);
  /** A new epoch is due: this tab has just become the leader, or an hour has passed. */
  #isDue = true;
  #isClosed = false;
  #isTold = false;
  readonly #renewing: ReturnType<typeof setInterval>;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#renewing = setInterval(() => {
      this.#isDue = true;
      options.onAgain();
    }, limits.leaseRenewMs);
  }

  /** Another state of this device was seen. It stays so: the device is to be removed. */
  get isCopied(): boolean {
    return this.#isCopied;
  }

  /** True the first time it is asked: the person is to be told, and not again and again. */
  tellOnce(): boolean {
    const isFirst = !this.#isTold;
    this.#isTold = true;
    return isFirst;
  }

  /**
   * Claims the device for this state of it; to be called when this tab becomes the leader and after every reconnect.
   * Throws when the server cannot be asked. True when this tab may go on.
   */
  async hold(): Promise<boolean> {
    const { crypto, isLeading } = this.#options;
    if (this.#isClosed || this.#isCopied) return false;
    const isNew = this.#isDue && isLeading();
    if (isNew) this.#isDue = false;
    const claim = isNew ? await crypto.nextLease() : await crypto.lease();
    try {
      return claim === null || (await this.#claim(claim));
    } catch (error) {
      this.#later(RETRY_MS);
      throw error;
    }
  }

  /** A state of this device went on under this epoch. When it is not the own one, this state objects: it is alive. */
  async heard(epoch: string): Promise<void> {
    if (!this.#options.isLeading()) return;
    const own = await this.#options.crypto.lease();
    if (own !== null && own.epoch !== epoch) await this.hold();
  }

  /** The server says that the device was copied. */
  copied(): void {
    if (this.#isCopied) return;
    this.#isCopied = true;
    this.#options.onDoubt();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#renewing);
    clearTimeout(this.#retry);
  }

  #later(afterMs: number): void {
    clearTimeout(this.#retry);
    if (!this.#isClosed) this.#retry = setTimeout(this.#options.onAgain, afterMs);
  }

  async #claim({ epoch, history }: LeaseClaim): Promise<boolean> {
    const { state } = await this.#options.api().devices.lease.mutate({ epoch, history: [...history] });
    if (state === 'held') await this.#options.crypto.leaseHeld({ epoch });
    if (state === 'copied') this.copied();
    if (state === 'doubted') {
      this.#options.onDoubt();
      this.#later(limits.leaseSettleMs + SETTLE_MORE_MS);
    }
    return state === 'held';
  }
}
