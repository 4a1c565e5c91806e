// Whether a send may grow the log while the disk is short. Deleting always may; so may the repetition of what is
// stored already, or its sender would take a stored message for a refused one and encrypt it anew.
import type { Deps } from '../../deps.ts';
import { requireDiskRoom } from '../../disk-room.ts';
import type { EventClass } from '#shared/messages.ts';
import { isStored } from './messages.queries.ts';

/** Throws `disk_low` while the disk is short. Costs a query: callers on the hot path ask `disk.isLow` before. */
export async function requireSendRoom(
  deps: Deps,
  event: { readonly class: EventClass; readonly channelId: string; readonly eventId: string },
): Promise<void> {
  if (event.class === 'redact' || (await isStored(deps.db, event))) return;
  requireDiskRoom(deps);
}
