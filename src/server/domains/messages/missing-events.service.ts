// A hole in a channel's live order is read once from the log, for everybody who waits for it.
import type { Database } from '../../platform/db.ts';
import type { OrderedEvent } from '../../platform/live-hub.ts';
import type { Secrets } from '../../platform/secrets.ts';
import type { LiveEvent } from '#shared/events.ts';
import { topics } from '../../topics.ts';
import { toChannelEvent } from './event-rows.ts';
import { channelAudience, eventRange } from './messages.queries.ts';

/** The events of one channel in [fromSeq, toSeq], addressed to its present readers. */
export async function readMissing(
  { db, secrets }: { readonly db: Database; readonly secrets: Secrets },
  at: { channelId: string; fromSeq: number; toSeq: number },
): Promise<OrderedEvent<LiveEvent>[]> {
  const audience = await channelAudience(db, at.channelId);
  if (!audience) return [];
  const topic = audience.communityId ? topics.community(audience.communityId) : topics.channel(at.channelId);
  const rows = await eventRange(db, at);
  return rows.map((row) => ({
    stream: at.channelId,
    seq: row.seq,
    topics: [topic],
    event: {
      type: 'event.appended',
      event: toChannelEvent(row, secrets.frankingKey),
      chainCert: null,
      mentions: [],
    },
  }));
}
