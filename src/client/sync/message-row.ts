// What a timeline shows of one message: its verified content, or why there is none.
import type { DecryptResult, FailedReason, PendingReason, WithheldReason } from '#client/crypto/protocol.ts';
import type { MessageState } from '#client/crypto/crypto-client.ts';
import type { AccountId, DeviceId, EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';

interface RowBase {
  readonly eventId: EventId;
  readonly seq: number;
  readonly ordinal: number | null;
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly createdAt: number;
}

export type MessageRow = RowBase &
  (
    | {
        readonly status: 'shown';
        /** null: made by a newer client. */
        readonly text: string | null;
        readonly isEdited: boolean;
        readonly isPinned: boolean;
        readonly replyTo: EventId | null;
        readonly reactions: MessageState['reactions'];
        /** Messages of this sender the server did not show right before this one. */
        readonly missingBefore: number;
        /** It leaves this device a day after it was sent. */
        readonly isFading: boolean;
      }
    /** It was kept for a day, and the day is over. */
    | { readonly status: 'gone' }
    | { readonly status: 'removed'; readonly by: AccountId }
    | { readonly status: 'pending'; readonly reason: PendingReason }
    | { readonly status: 'failed'; readonly reason: FailedReason; readonly withheld: WithheldReason | null }
  );

/** A removed payload without a verified deletion reads "withheld by the server" (protocol P6). */
export function toRow(
  event: ChannelEvent,
  found: { result: DecryptResult; state: MessageState | null; removal: AccountId | null },
): MessageRow {
  const { eventId, seq, ordinal, createdAt, senderAccountId, senderDeviceId } = event;
  const base = { eventId, seq, ordinal, createdAt, accountId: senderAccountId, deviceId: senderDeviceId };
  const { result, state, removal } = found;
  if (removal !== null) return { ...base, status: 'removed', by: removal };
  switch (result.status) {
    case 'gone':
      return { ...base, status: 'gone' };
    case 'redacted':
      return { ...base, status: 'failed', reason: 'withheld_by_server', withheld: null };
    case 'pending':
      return { ...base, status: 'pending', reason: result.reason };
    case 'failed':
      return { ...base, status: 'failed', reason: result.reason, withheld: result.withheld ?? null };
    case 'decrypted':
      return {
        ...base,
        status: 'shown',
        text: state?.text ?? null,
        isEdited: state?.isEdited ?? false,
        isPinned: state?.isPinned ?? false,
        replyTo: state?.replyTo ?? null,
        reactions: state?.reactions ?? [],
        missingBefore: result.missingBefore,
        isFading: result.goneAt !== undefined,
      };
  }
}
