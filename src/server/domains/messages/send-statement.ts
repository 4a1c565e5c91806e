// The one statement that is the authority on sends (architecture §6, write path): it locks the channels in id
// order, judges every row, allocates gapless seqs, stores events, certificates and mailbox packets, moves cursors
// and answers a verdict per row. One round trip, one commit for the whole batch.
import type { Queryable } from '../../platform/db.ts';

/** One send, decoded and pre-checked. Bytes are raw, ids are UUID strings. */
export interface SendRow {
  readonly channelId: string;
  readonly eventId: string;
  readonly class: string;
  readonly accountId: string;
  readonly deviceId: string;
  readonly refId: string | null;
  readonly epoch: number;
  readonly envelope: Uint8Array;
  /** SHA-256 of `envelope`. */
  readonly envelopeHash: Uint8Array;
  readonly chainId: Uint8Array | null;
  readonly iter: number | null;
  readonly linkHash: Uint8Array | null;
  readonly commitment: Uint8Array;
  /** Holds manageMessages here: may redact others, is exempt from slow mode. */
  readonly isModerator: boolean;
  /** DMs: the devicesVersion the packets were made for; null where additions never refuse a send. */
  readonly devicesVersion: number | null;
  readonly chainCert: Uint8Array | null;
  readonly mentions: readonly string[];
  readonly packets: readonly {
    readonly accountId: string;
    readonly deviceId: string;
    readonly bytes: Uint8Array;
  }[];
}

export type Verdict =
  | 'stored'
  | 'repeat'
  | 'again' // must be judged in a later statement: collides with a row of the same batch
  | 'conflict'
  | 'not_found'
  | 'not_author'
  | 'archived'
  | 'stale_epoch'
  | 'stale_devices'
  | 'slow_mode'
  | 'failed'; // this row could not be stored; the reason is in the log

export interface SendVerdict {
  readonly verdict: Verdict;
  readonly seq: number | null;
  readonly ordinal: number | null;
  readonly createdAt: Date | null;
  readonly epoch: number | null;
  readonly devicesVersion: number | null;
  /** Set when every member of this community reads the channel. */
  readonly audienceCommunityId: string | null;
  readonly waitMs: number;
  /** Packets stored: index into the row's `packets`, and the seq in the device's mailbox. */
  readonly posted: readonly { readonly packet: number; readonly seq: number }[];
}

const input = `
  input AS (
    SELECT * FROM unnest($1::int4[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[],
      $8::int4[], $9::bytea[], $10::bytea[], $11::bytea[], $12::int4[], $13::bytea[], $14::bytea[], $15::bool[],
      $16::int4[])
    AS t(idx, channel, event, class, account, device, ref, epoch, envelope, hash, chain, iter, link, commitment,
      moderator, expected)
  ),
  ch AS MATERIALIZED (
    SELECT c.* FROM "Channel" c WHERE c.id = ANY($2::uuid[]) ORDER BY c.id FOR UPDATE
  )`;

// A channel row may have changed while we waited for its lock; removals raise the epoch in the same transaction,
// so a reader check on the older snapshot can never let a removed reader through.
const judged = `
  judged AS (
    SELECT i.*, ch."lastSeq", ch."lastOrdinal", ch.epoch AS "currentEpoch", ch."devicesVersion",
      CASE WHEN ch.audience = 'community' THEN ch."communityId" END AS "audienceCommunityId",
      GREATEST($17::timestamptz, ch."lastEventAt") AS at,
      old.seq AS "oldSeq", old.ordinal AS "oldOrdinal", old."createdAt" AS "oldAt",
      CASE WHEN i.moderator OR i.class NOT IN ('message', 'edit') OR ch."slowModeMs" = 0 THEN 0
        ELSE GREATEST(0, ch."slowModeMs" - extract(epoch FROM $17::timestamptz - cur."lastSentAt") * 1000)::int4
      END AS "waitMs",
      row_number() OVER (PARTITION BY i.channel, i.event ORDER BY i.idx) AS "sameEvent",
      row_number() OVER (PARTITION BY i.channel, i.account ORDER BY i.idx) AS "sameSender",
      ch."slowModeMs", ch."archivedAt", ch.id IS NOT NULL AND reader.ok AS readable, device.ok AS certified,
      target.sender AS "targetSender", old.hash AS "oldHash", old.device AS "oldDevice"
    FROM input i
    LEFT JOIN ch ON ch.id = i.channel
    LEFT JOIN LATERAL (
      SELECT true AS ok FROM channel_reader r WHERE r."channelId" = i.channel AND r."accountId" = i.account LIMIT 1
    ) reader ON true
    LEFT JOIN LATERAL (
      SELECT true AS ok FROM "Device" d
      WHERE d.id = i.device AND d."accountId" = i.account AND d."revokedAt" IS NULL
    ) device ON true
    LEFT JOIN LATERAL (
      SELECT e.seq, e.ordinal, e."createdAt", e."envelopeHash" AS hash, e."senderDeviceId" AS device
      FROM "ChannelEvent" e WHERE e."channelId" = i.channel AND e."eventId" = i.event
    ) old ON true
    LEFT JOIN LATERAL (
      SELECT e."senderAccountId" AS sender FROM "ChannelEvent" e
      WHERE e."channelId" = i.channel AND e."eventId" = i.ref AND e.class = 'message' AND e."redactedAt" IS NULL
    ) target ON i.class <> 'message'
    LEFT JOIN "ChannelCursor" cur ON cur."channelId" = i.channel AND cur."accountId" = i.account
  ),
  ruled AS (
    SELECT j.*, CASE
      WHEN j.readable IS NOT TRUE OR j.certified IS NOT TRUE THEN 'not_found'
      WHEN j."oldSeq" IS NOT NULL THEN
        CASE WHEN j."oldHash" = j.hash AND j."oldDevice" = j.device THEN 'repeat' ELSE 'conflict' END
      WHEN j."sameEvent" > 1 OR (j."slowModeMs" > 0 AND j."sameSender" > 1) THEN 'again'
      WHEN j."archivedAt" IS NOT NULL AND j.class <> 'redact' THEN 'archived'
      WHEN j.epoch <> j."currentEpoch" THEN 'stale_epoch'
      WHEN j.class <> 'message' AND j."targetSender" IS NULL THEN 'not_found'
      WHEN j.class = 'edit' AND j."targetSender" <> j.account THEN 'not_author'
      WHEN j.class = 'redact' AND j."targetSender" <> j.account AND NOT j.moderator THEN 'not_author'
      WHEN j.expected IS NOT NULL AND j.expected <> j."devicesVersion" THEN 'stale_devices'
      WHEN j."waitMs" > 0 THEN 'slow_mode'
      ELSE 'stored' END AS verdict
    FROM judged j
  ),
  accepted AS MATERIALIZED (
    SELECT r.*, (r."lastSeq" + row_number() OVER w)::int4 AS seq,
      CASE WHEN r.class = 'message'
        THEN (r."lastOrdinal" + count(*) FILTER (WHERE r.class = 'message') OVER w)::int4 END AS ordinal
    FROM ruled r WHERE r.verdict = 'stored' WINDOW w AS (PARTITION BY r.channel ORDER BY r.idx)
  )`;

const stored = `
  events AS (
    INSERT INTO "ChannelEvent" ("channelId", seq, "eventId", class, ordinal, "senderAccountId", "senderDeviceId",
      "refId", epoch, envelope, "envelopeHash", "chainId", iter, "linkHash", commitment, "createdAt")
    SELECT a.channel, a.seq, a.event, a.class, a.ordinal, a.account, a.device, a.ref, a.epoch, a.envelope, a.hash,
      a.chain, a.iter, a.link, a.commitment, a.at
    FROM accepted a
  ),
  heads AS (
    UPDATE "Channel" c SET "lastSeq" = b.seq, "lastOrdinal" = COALESCE(b.ordinal, c."lastOrdinal"),
      "lastEventAt" = b.at, "lastMessageAt" = COALESCE(b."messageAt", c."lastMessageAt")
    FROM (
      SELECT channel, max(seq) AS seq, max(ordinal) AS ordinal, max(at) AS at,
        max(at) FILTER (WHERE class = 'message') AS "messageAt"
      FROM accepted GROUP BY channel
    ) b WHERE c.id = b.channel
  ),
  certs AS (
    INSERT INTO "ChainCert" ("channelId", "chainId", "accountId", "deviceId", bytes, "createdAt")
    SELECT a.channel, a.chain, a.account, a.device, c.bytes, a.at
    FROM unnest($20::int4[], $21::bytea[]) AS c(idx, bytes) JOIN accepted a ON a.idx = c.idx
    ON CONFLICT DO NOTHING
  ),
  wiped AS (
    UPDATE "ChannelEvent" e SET envelope = NULL, commitment = NULL, "redactedAt" = a.at
    FROM accepted a
    WHERE a.class = 'redact' AND e."channelId" = a.channel AND e."redactedAt" IS NULL
      AND (e."eventId" = a.ref OR (e."refId" = a.ref AND e.class IN ('edit', 'reaction')))
  )`;

// Own sends move the own cursor; a direct mention bumps its reader's counter. One upsert, because one statement
// may touch a row only once.
const cursors = `
  moves AS (
    SELECT a.account, a.channel, max(a.seq) AS seq, max(a.ordinal) AS ordinal, max(a.at) AS at, 0 AS mentions
    FROM accepted a WHERE a.class = 'message' GROUP BY a.account, a.channel
    UNION ALL
    SELECT m.account, a.channel, 0, 0, NULL, count(*)::int4
    FROM unnest($18::int4[], $19::uuid[]) AS m(idx, account) JOIN accepted a ON a.idx = m.idx
    WHERE m.account <> a.account AND EXISTS (
      SELECT 1 FROM channel_reader r WHERE r."channelId" = a.channel AND r."accountId" = m.account)
    GROUP BY m.account, a.channel
  ),
  cursors AS (
    INSERT INTO "ChannelCursor" AS cc ("accountId", "channelId", "readSeq", "readOrdinal", mentions, "lastSentAt")
    SELECT account, channel, max(seq), max(ordinal), sum(mentions)::int4, max(at) FROM moves GROUP BY account, channel
    ON CONFLICT ("accountId", "channelId") DO UPDATE SET
      "readSeq" = GREATEST(cc."readSeq", EXCLUDED."readSeq"),
      "readOrdinal" = GREATEST(cc."readOrdinal", EXCLUDED."readOrdinal"),
      mentions = CASE WHEN EXCLUDED."lastSentAt" IS NULL THEN cc.mentions ELSE 0 END + EXCLUDED.mentions,
      "lastSentAt" = COALESCE(EXCLUDED."lastSentAt", cc."lastSentAt")
  )`;

const packets = `
  outgoing AS MATERIALIZED (
    SELECT p.idx, p.packet, p.device, p.bytes, a.account AS "fromAccount", a.device AS "fromDevice", a.at,
      nextval('"MailboxPacket_seq_seq"') AS seq
    FROM unnest($22::int4[], $23::int4[], $24::uuid[], $25::uuid[], $26::bytea[])
      AS p(idx, packet, account, device, bytes)
    JOIN accepted a ON a.idx = p.idx
    JOIN "Device" d ON d.id = p.device AND d."accountId" = p.account AND d."revokedAt" IS NULL
  ),
  posted AS (
    INSERT INTO "MailboxPacket" ("deviceId", seq, "senderAccountId", "senderDeviceId", bytes, "createdAt")
    SELECT device, seq, "fromAccount", "fromDevice", bytes, at FROM outgoing
  )`;

const sql = `WITH ${[input, judged, stored, cursors, packets].join(',')}
  SELECT r.verdict, COALESCE(a.seq, r."oldSeq") AS seq, COALESCE(a.ordinal, r."oldOrdinal") AS ordinal,
    COALESCE(a.at, r."oldAt") AS "createdAt", r."currentEpoch" AS epoch, r."devicesVersion",
    r."audienceCommunityId", r."waitMs",
    COALESCE((SELECT json_agg(json_build_object('packet', o.packet, 'seq', o.seq)) FROM outgoing o
      WHERE o.idx = r.idx), '[]'::json) AS posted
  FROM ruled r LEFT JOIN accepted a ON a.idx = r.idx ORDER BY r.idx`;

/** Runs the statement for rows of one lane; answers in the same order. Throws when any row cannot be stored at all. */
export function runSendStatement(
  q: Queryable,
  rows: readonly SendRow[],
  now: number,
): Promise<SendVerdict[]> {
  const column = <T>(pick: (row: SendRow) => T): T[] => rows.map(pick);
  const spread = <T>(pick: (row: SendRow) => readonly T[]): { idx: number; at: number; item: T }[] =>
    rows.flatMap((row, idx) => pick(row).map((item, at) => ({ idx, at, item })));
  const mentions = spread((r) => r.mentions);
  const certs = spread((r) => (r.chainCert ? [r.chainCert] : []));
  const packed = spread((r) => r.packets);
  return q.query<SendVerdict>('messages.send', sql, [
    rows.map((_, idx) => idx),
    column((r) => r.channelId),
    column((r) => r.eventId),
    column((r) => r.class),
    column((r) => r.accountId),
    column((r) => r.deviceId),
    column((r) => r.refId),
    column((r) => r.epoch),
    column((r) => r.envelope),
    column((r) => r.envelopeHash),
    column((r) => r.chainId),
    column((r) => r.iter),
    column((r) => r.linkHash),
    column((r) => r.commitment),
    column((r) => r.isModerator),
    column((r) => r.devicesVersion),
    new Date(now),
    mentions.map((m) => m.idx),
    mentions.map((m) => m.item),
    certs.map((c) => c.idx),
    certs.map((c) => c.item),
    packed.map((p) => p.idx),
    packed.map((p) => p.at),
    packed.map((p) => p.item.accountId),
    packed.map((p) => p.item.deviceId),
    packed.map((p) => p.item.bytes),
  ]);
}
