// Mending sessions (protocol 3.6) as the leader tab does it: what could not be decrypted is asked for, who asks is answered,
// within the limits the engine keeps. All tabs see which people's sessions are stuck.
import { failureOf } from '#client/api/errors.ts';
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi } from '#client/crypto/protocol.ts';
import { slices } from '#client/lib/slices.ts';
import type { AccountId, DeviceRef } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import type { Keys } from './keys.ts';

export interface RepairsOptions {
  readonly crypto: CryptoApi;
  readonly api: () => Api;
  readonly keys: Keys;
  readonly now: () => number;
}

/** Calls in one go: asking, opening sessions, sending, and what that lets go on. */
const ROUNDS = 8;
const RETRY_MS = 30_000;

export class Repairs {
  readonly #options: RepairsOptions;
  #wedged = $state.raw<readonly DeviceRef[]>([]);
  readonly #tabs = new BroadcastChannel('chatalot-repairs');
  #work: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: RepairsOptions) {
    this.#options = options;
    this.#tabs.addEventListener('message', (event: MessageEvent<'due' | 'changed'>) => {
      if (event.data === 'due') void this.run();
      else void this.look();
    });
  }

  /** Whether asking this person's devices did not help: someone has to press "Repair". */
  isWedged(accountId: AccountId): boolean {
    return this.#wedged.some((device) => device.accountId === accountId);
  }

  /** Everything due now; in the leader tab only. What fails (the network went) is tried again. */
  run(): Promise<void> {
    this.#work = this.#work.then(() => this.#mend()).catch(() => this.#later(RETRY_MS));
    return this.#work;
  }

  /** A person pressed "Repair": new sessions, and one more request. */
  async byHand(accountId: AccountId): Promise<void> {
    const { crypto, keys, now } = this.#options;
    await crypto.repairByHand({ accountId, now: now() });
    await this.look();
    this.#tell('changed');
    if (keys.isLeader) await this.run();
    else this.#tell('due');
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#tabs.close();
  }

  #tell(what: 'due' | 'changed'): void {
    if (!this.#isClosed) this.#tabs.postMessage(what);
  }

  /** Reads again whose sessions are stuck. */
  async look(): Promise<void> {
    if (this.#isClosed) return;
    const found = await this.#options.crypto.wedgedDevices();
    if (found.length + this.#wedged.length > 0) this.#wedged = found;
  }

  #later(afterMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.run(), afterMs);
  }

  async #mend(): Promise<void> {
    const { crypto, keys, now } = this.#options;
    if (this.#isClosed || !keys.isLeader) return;
    const before = this.#wedged.length;
    let nextAt: number | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      const due = await crypto.dueRepairs({ now: now() });
      nextAt = due.nextAt;
      if (due.packets.length > 0) {
        await this.#post(due.packets);
        await crypto.repairsSent();
      }
      for (const channelId of due.requested) await keys.answer(channelId).catch(() => undefined);
      if (due.bundles.length > 0) await this.#open(due.bundles);
      else if (due.packets.length === 0) break;
    }
    await this.look();
    if (before + this.#wedged.length > 0) this.#tell('changed');
    if (nextAt !== null) this.#later(Math.max(1000, nextAt - now()));
  }

  /** New sessions with devices their accounts still have, as far as the server says. */
  async #open(devices: readonly DeviceRef[]): Promise<void> {
    const { keys } = this.#options;
    await keys.refreshNewest([...new Set(devices.map(({ accountId }) => accountId))]);
    await keys.openSessions(devices);
  }

  /** Each device's packets by themselves: one whose mailbox is full keeps nobody else from theirs. */
  async #post(packets: readonly OutgoingPacket[]): Promise<void> {
    for (const deviceId of new Set(packets.map((packet) => packet.deviceId))) {
      const own = packets.filter((packet) => packet.deviceId === deviceId);
      for (const slice of slices(own, limits.packetsPerSend)) {
        try {
          await this.#options.api().mailbox.send.mutate({ packets: slice });
        } catch (error) {
          if (failureOf(error).code !== 'mailbox_full') throw error;
        }
      }
    }
  }
}
