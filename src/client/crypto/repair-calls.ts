// The part of the crypto worker's interface that mends sessions (protocol 3.6): who cannot decrypt asks, who is asked opens
// a new session and sends again what still matters.
import type { AccountId, ChannelId, DeviceRef } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';

/** What is due now. */
export interface DueRepairs {
  /** Requests and answers. The same come again until `repairsSent` says the server has them. */
  readonly packets: readonly OutgoingPacket[];
  /** Devices a new session is to be opened with: claim, `startSessions`, then call again. */
  readonly bundles: readonly DeviceRef[];
  /** Channels whose chains are to be sent again: `answerRequests` once the readers are known. */
  readonly requested: readonly ChannelId[];
  /** When there is more to do, ms; null: nothing waits. */
  readonly nextAt: number | null;
}

export interface RepairCalls {
  /** Everything that is to be asked for or answered now, within 1 a minute and 6 an hour per device, both ways. */
  dueRepairs(input: { now: number }): Promise<DueRepairs>;
  repairsSent(): Promise<void>;
  /** Devices that asking did not help with: a person has to look. */
  wedgedDevices(): Promise<readonly DeviceRef[]>;
  /** By hand: new sessions with the wedged devices of this person, and one more request. Call `dueRepairs` next. */
  repairByHand(input: { accountId: AccountId; now: number }): Promise<void>;
}
