// Reads of the channel log. All raw and named: this is the hot path.
import type { Queryable } from '../../platform/db.ts';
import { eventColumns, type EventRow } from './event-rows.ts';

/** Newest-first page of class message by ordinal, not older than the reader's `sinceAt` or shared history. */
export function pageOfMessages(
  q: Queryable,
  at: { channelId: string; accountId: string; before: number; limit: number },
): Promise<EventRow[]> {
  return q.query<EventRow>(
    'messages.page',
    `SELECT ${eventColumns} FROM "ChannelEvent" e
     WHERE e."channelId" = $1::uuid AND e.ordinal < $3::int4
       AND e."createdAt" >= (SELECT min(LEAST(r."sinceAt", CASE WHEN c."historySharedUntil" IS NULL
           OR r."sinceAt" <= c."historySharedUntil" THEN c."historySharedAt" END))
         FROM channel_reader r JOIN "Channel" c ON c.id = r."channelId"
         WHERE r."channelId" = $1::uuid AND r."accountId" = $2::uuid)
     ORDER BY e.ordinal DESC LIMIT $4::int4`,
    [at.channelId, at.accountId, at.before, at.limit],
  );
}

/** For each message its newest edit, redaction, newest pin or unpin, and its newest `limit` reactions. */
export function relatedTo(
  q: Queryable,
  at: { channelId: string; eventIds: readonly string[]; limit: number },
): Promise<EventRow[]> {
  const newest = (classes: string, limit: string): string =>
    `(SELECT * FROM "ChannelEvent" x WHERE x."channelId" = $1::uuid AND x."refId" = m.id AND x.class IN (${classes})
      ORDER BY x.seq DESC LIMIT ${limit})`;
  return q.query<EventRow>(
    'messages.related-to',
    `SELECT ${eventColumns} FROM unnest($2::uuid[]) AS m(id) CROSS JOIN LATERAL (
       ${newest(`'edit'`, '1')} UNION ALL ${newest(`'redact'`, '1')}
       UNION ALL ${newest(`'pin', 'unpin'`, '1')} UNION ALL ${newest(`'reaction'`, '$3::int4')}
     ) e ORDER BY e.seq`,
    [at.channelId, at.eventIds, at.limit],
  );
}

/** Everything that refers to one message after `after`, rising by seq. */
export function relatedPage(
  q: Queryable,
  at: { channelId: string; eventId: string; after: number; limit: number },
): Promise<EventRow[]> {
  return q.query<EventRow>(
    'messages.related-page',
    `SELECT ${eventColumns} FROM "ChannelEvent" e
     WHERE e."channelId" = $1::uuid AND e."refId" = $2::uuid AND e.seq > $3::int4 AND e.class <> 'message'
     ORDER BY e.seq LIMIT $4::int4`,
    [at.channelId, at.eventId, at.after, at.limit],
  );
}

/** Every event with fromSeq ≤ seq ≤ toSeq, rising. */
export function eventRange(
  q: Queryable,
  at: { channelId: string; fromSeq: number; toSeq: number },
): Promise<EventRow[]> {
  return q.query<EventRow>(
    'messages.range',
    `SELECT ${eventColumns} FROM "ChannelEvent" e
     WHERE e."channelId" = $1::uuid AND e.seq BETWEEN $2::int4 AND $3::int4 ORDER BY e.seq`,
    [at.channelId, at.fromSeq, at.toSeq],
  );
}

export function chainCertsOf(
  q: Queryable,
  at: { channelId: string; chainIds: readonly Uint8Array[] },
): Promise<{ chainId: Uint8Array; bytes: Uint8Array }[]> {
  return q.query(
    'messages.chain-certs',
    `SELECT c."chainId", c.bytes FROM "ChainCert" c WHERE c."channelId" = $1::uuid AND c."chainId" = ANY($2::bytea[])`,
    [at.channelId, at.chainIds],
  );
}

export interface HeadRow {
  readonly lastSeq: number;
  readonly devicesVersion: number;
}
export async function headOf(q: Queryable, channelId: string): Promise<HeadRow | null> {
  const [row] = await q.query<HeadRow>(
    'messages.head',
    `SELECT c."lastSeq", c."devicesVersion" FROM "Channel" c WHERE c.id = $1::uuid`,
    [channelId],
  );
  return row ?? null;
}

/** Whether the log holds this event. */
export async function isStored(q: Queryable, at: { channelId: string; eventId: string }): Promise<boolean> {
  const sql = `SELECT 1 AS one FROM "ChannelEvent" e WHERE e."channelId" = $1::uuid AND e."eventId" = $2::uuid`;
  return (await q.query('messages.is-stored', sql, [at.channelId, at.eventId])).length > 0;
}

export interface PacketTarget {
  readonly deviceId: string;
  readonly packets: number;
  readonly bytes: number;
  readonly fromSender: number;
}
/** How full the mailboxes of live devices are (protocol P12). Devices that are gone are not answered. */
export function mailboxFill(
  q: Queryable,
  at: { deviceIds: readonly string[]; senderDeviceId: string },
): Promise<PacketTarget[]> {
  return q.query<PacketTarget>(
    'messages.mailbox-fill',
    `SELECT d.id AS "deviceId", count(p.seq)::int4 AS packets, COALESCE(sum(length(p.bytes)), 0)::int4 AS bytes,
       count(p.seq) FILTER (WHERE p."senderDeviceId" = $2::uuid)::int4 AS "fromSender"
     FROM "Device" d LEFT JOIN "MailboxPacket" p ON p."deviceId" = d.id
     WHERE d.id = ANY($1::uuid[]) AND d."revokedAt" IS NULL GROUP BY d.id`,
    [at.deviceIds, at.senderDeviceId],
  );
}

/**
 * Live devices of a channel's readers; DMs only (both accounts' devices, at most 48). `isDue`: a message must have a
 * packet for it. A device without prekeys that are valid at `now` can be written to only by those who have a session
 * with it: neither a half-registered browser nor one away for months may silence a conversation, while one that came
 * a moment ago, after `settledBefore`, must not miss it.
 */
export function readerDevices(
  q: Queryable,
  at: { channelId: string; now: Date; settledBefore: Date },
): Promise<{ accountId: string; deviceId: string; devicesVersion: number; isDue: boolean }[]> {
  return q.query(
    'messages.reader-devices',
    `SELECT d."accountId", d.id AS "deviceId", c."devicesVersion", d."createdAt" > $3::timestamptz OR EXISTS (
       SELECT 1 FROM "PrekeySet" p WHERE p."deviceId" = d.id AND p."notAfter" > $2::timestamptz) AS "isDue"
     FROM "Channel" c JOIN channel_reader r ON r."channelId" = c.id
     JOIN "Device" d ON d."accountId" = r."accountId" AND d."revokedAt" IS NULL
     WHERE c.id = $1::uuid`,
    [at.channelId, at.now, at.settledBefore],
  );
}

/** The community whose members all read this channel, or null when its readers are explicit rows. */
export async function channelAudience(
  q: Queryable,
  channelId: string,
): Promise<{ communityId: string | null } | null> {
  const [row] = await q.query<{ communityId: string | null }>(
    'messages.audience',
    `SELECT CASE WHEN c.audience = 'community' THEN c."communityId" END AS "communityId"
     FROM "Channel" c WHERE c.id = $1::uuid`,
    [channelId],
  );
  return row ?? null;
}
