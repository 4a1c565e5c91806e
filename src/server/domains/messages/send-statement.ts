// The one statement that is the authority on sends (architecture §6, write path): it locks the channels in id
// order, judges every row, allocates gapless seqs, stores events, certificates and mailbox packets, moves cursors
// and answers a verdict per row. One round trip, one commit for the whole batch. Figures: docs/decisions/0004.
import type { Queryable } from '../../platform/db.ts';
import { columns, place, type SendRow, type SendVerdict } from './send-rows.ts';

export type { SendRow, SendVerdict } from './send-rows.ts';

/** Parameters after the columns: the time, then what only the full statement has. */
const param = (after: number, type: string): string => `$${columns.length + after}::${type}`;
const now = param(1, 'timestamptz');

/**
 * What a statement is made for. `alone`: one plain message, by far the most common batch. Its columns are scalars, so
 * nothing is unnested, ranked or grouped (0014). `plain`: messages without certificate, mention or packet. `full`: all.
 */
type Shape = 'alone' | 'plain' | 'full';

const inputOf = (shape: Shape): string => {
  const scalars = columns.map(([name, type], at) => `$${at + 1}::${type} AS ${name}`);
  const arrays = columns.map(([, type], at) => `$${at + 1}::${type}[]`);
  const names = columns.map(([name]) => name);
  return `
  input AS (
    SELECT ${shape === 'alone' ? scalars.join(', ') : `* FROM unnest(${arrays.join(', ')}) AS t(${names.join(', ')})`}
  ),
  ch AS MATERIALIZED (
    SELECT c.* FROM "Channel" c WHERE ${shape === 'alone' ? 'c.id = $2::uuid' : 'c.id = ANY($2::uuid[]) ORDER BY c.id'} FOR UPDATE
  )`;
};

// Every look-up is a LATERAL with LIMIT 1: the planner then goes by index whatever it believes of the tables'
// sizes. Plans are kept, and one made while the log was empty joined by reading all of it (0004).
const target = `LEFT JOIN LATERAL (
      SELECT e."senderAccountId" AS sender FROM "ChannelEvent" e
      WHERE e."channelId" = i.channel AND e."eventId" = i.ref AND e.class = 'message' AND e."redactedAt" IS NULL
      LIMIT 1
    ) target ON i.class <> 'message'`;

/** Place in the log of each row that is stored. */
const rankedBatch = `SELECT r.*,
      (r."lastSeq" + count(*) FILTER (WHERE r.verdict = 'stored') OVER w)::int4 AS seq,
      CASE WHEN r.class = 'message' THEN (r."lastOrdinal"
        + count(*) FILTER (WHERE r.verdict = 'stored' AND r.class = 'message') OVER w)::int4 END AS ordinal
    FROM ruled r WINDOW w AS (PARTITION BY r.channel ORDER BY r.idx ROWS UNBOUNDED PRECEDING)`;
const rankedAlone = `SELECT r.*, r."lastSeq" + 1 AS seq, r."lastOrdinal" + 1 AS ordinal FROM ruled r`;

// A channel row may have changed while we waited for its lock; removals raise the epoch in the same transaction,
// so a reader check on the older snapshot can never let a removed reader through.
const judgedOf = (shape: Shape): string => `
  judged AS (
    SELECT i.*, ch."lastSeq", ch."lastOrdinal", ch.epoch AS "currentEpoch", ch."devicesVersion",
      CASE WHEN ch.audience = 'community' THEN ch."communityId" END AS "audienceCommunityId",
      GREATEST(${now}, ch."lastEventAt") AS at,
      old.seq AS "oldSeq", old.ordinal AS "oldOrdinal", old."createdAt" AS "oldAt",
      CASE WHEN i.moderator OR i.class NOT IN ('message', 'edit') OR ch."slowModeMs" = 0 THEN 0
        ELSE GREATEST(0, ch."slowModeMs" - extract(epoch FROM ${now} - cur."lastSentAt") * 1000)::int4
      END AS "waitMs",
      ch."slowModeMs", ch."archivedAt", ch.id IS NOT NULL AND reader.ok AS readable, device.ok AS certified,
      device.active, place.version, ${shape === 'full' ? 'target.sender' : 'NULL::uuid'} AS "targetSender",
      old.hash AS "oldHash", old.device AS "oldDevice"
    FROM input i
    LEFT JOIN ch ON ch.id = i.channel
    LEFT JOIN LATERAL (
      SELECT k.version FROM "Community" k WHERE k.id = ch."communityId" LIMIT 1
    ) place ON i.allowed IS NOT NULL
    LEFT JOIN LATERAL (
      SELECT true AS ok FROM channel_reader r WHERE r."channelId" = i.channel AND r."accountId" = i.account LIMIT 1
    ) reader ON true
    LEFT JOIN LATERAL (
      SELECT true AS ok, x."suspendedAt" IS NULL AND x."deletedAt" IS NULL AS active
      FROM "Device" d JOIN "Account" x ON x.id = d."accountId"
      WHERE d.id = i.device AND d."accountId" = i.account AND d."revokedAt" IS NULL LIMIT 1
    ) device ON true
    LEFT JOIN LATERAL (
      SELECT e.seq, e.ordinal, e."createdAt", e."envelopeHash" AS hash, e."senderDeviceId" AS device
      FROM "ChannelEvent" e WHERE e."channelId" = i.channel AND e."eventId" = i.event LIMIT 1
    ) old ON true
    ${shape === 'full' ? target : ''}
    LEFT JOIN LATERAL (
      SELECT c."lastSentAt" FROM "ChannelCursor" c WHERE c."channelId" = i.channel AND c."accountId" = i.account
      LIMIT 1
    ) cur ON ch."slowModeMs" > 0
  ),
  ruled AS (
    SELECT j.*, CASE
      WHEN j.readable IS NOT TRUE OR j.certified IS NOT TRUE THEN 'not_found'
      WHEN j."oldSeq" IS NOT NULL THEN
        CASE WHEN j."oldHash" = j.hash AND j."oldDevice" = j.device THEN 'repeat' ELSE 'conflict' END
      WHEN j.same_event OR (j."slowModeMs" > 0 AND j.same_sender) THEN 'again'
      WHEN j.allowed IS NOT NULL AND (j.allowed IS DISTINCT FROM j.version OR NOT j.active) THEN 'stale_grant'
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
  ranked AS MATERIALIZED (
    ${shape === 'alone' ? rankedAlone : rankedBatch}
  ),
  accepted AS NOT MATERIALIZED (SELECT * FROM ranked WHERE verdict = 'stored')`;

/** Where each channel's log stands after the batch. */
const headOfEach = `SELECT channel, max(seq) AS seq, max(ordinal) AS ordinal, max(at) AS at,
        max(at) FILTER (WHERE class = 'message') AS "messageAt"
      FROM accepted GROUP BY channel`;

const storedOf = (shape: Shape): string => `
  events AS (
    INSERT INTO "ChannelEvent" ("channelId", seq, "eventId", class, ordinal, "senderAccountId", "senderDeviceId",
      "refId", epoch, envelope, "envelopeHash", "chainId", iter, "linkHash", commitment, "createdAt", "expiresAt")
    SELECT a.channel, a.seq, a.event, a.class, a.ordinal, a.account, a.device, a.ref, a.epoch, a.envelope, a.hash,
      a.chain, a.iter, a.link, a.commitment, a.at,
      a.at + a.ttl * interval '1 second'
    FROM accepted a
  ),
  heads AS (
    UPDATE "Channel" c SET "lastSeq" = b.seq, "lastOrdinal" = COALESCE(b.ordinal, c."lastOrdinal"),
      "lastEventAt" = b.at, "lastMessageAt" = COALESCE(b."messageAt", c."lastMessageAt")
    FROM (
      ${shape === 'alone' ? 'SELECT channel, seq, ordinal, at, at AS "messageAt" FROM accepted' : headOfEach}
    ) b WHERE c.id = b.channel
  )`;

const extras = `
  certs AS (
    INSERT INTO "ChainCert" ("channelId", "chainId", "accountId", "deviceId", bytes, "createdAt")
    SELECT a.channel, a.chain, a.account, a.device, c.bytes, a.at
    FROM unnest(${param(2, 'int4[]')}, ${param(3, 'bytea[]')}) AS c(idx, bytes) JOIN accepted a ON a.idx = c.idx
    ON CONFLICT DO NOTHING
  ),
  wiped AS (
    UPDATE "ChannelEvent" e SET envelope = NULL, commitment = NULL, "redactedAt" = a.at
    FROM accepted a CROSS JOIN LATERAL (
      SELECT x.seq FROM "ChannelEvent" x WHERE x."channelId" = a.channel AND x."eventId" = a.ref
      UNION ALL
      SELECT x.seq FROM "ChannelEvent" x
      WHERE x."channelId" = a.channel AND x."refId" = a.ref AND x.class IN ('edit', 'reaction')
    ) gone
    WHERE a.class = 'redact' AND e."channelId" = a.channel AND e.seq = gone.seq AND e."redactedAt" IS NULL
  ),
  outgoing AS MATERIALIZED (
    SELECT p.idx, p.packet, p.device, p.bytes, a.account AS "fromAccount", a.device AS "fromDevice", a.at,
      nextval('"MailboxPacket_seq_seq"') AS seq
    FROM unnest(${param(4, 'int4[]')}, ${param(5, 'int4[]')}, ${param(6, 'uuid[]')}, ${param(7, 'uuid[]')},
      ${param(8, 'bytea[]')}) AS p(idx, packet, account, device, bytes)
    JOIN accepted a ON a.idx = p.idx
    JOIN "Device" d ON d.id = p.device AND d."accountId" = p.account AND d."revokedAt" IS NULL
  ),
  posted AS (
    INSERT INTO "MailboxPacket" ("deviceId", seq, "senderAccountId", "senderDeviceId", bytes, "createdAt")
    SELECT device, seq, "fromAccount", "fromDevice", bytes, at FROM outgoing
  )`;

// Own sends move the own cursor; a direct mention bumps its reader's counter. One upsert, because one statement
// may touch a row only once.
const ownMove = 'SELECT a.account, a.channel, a.seq, a.ordinal, a.at, 0 AS mentions FROM accepted a';
const ownMoves = `
    SELECT a.account, a.channel, max(a.seq) AS seq, max(a.ordinal) AS ordinal, max(a.at) AS at, 0 AS mentions
    FROM accepted a WHERE a.class = 'message' GROUP BY a.account, a.channel`;
const mentionedToo = `
    SELECT account, channel, max(seq) AS seq, max(ordinal) AS ordinal, max(at) AS at,
      sum(mentions)::int4 AS mentions
    FROM (${ownMoves}
      UNION ALL
      SELECT m.account, a.channel, 0, 0, NULL, count(*)::int4
      FROM unnest(${param(9, 'int4[]')}, ${param(10, 'uuid[]')}) AS m(idx, account)
      JOIN accepted a ON a.idx = m.idx
      WHERE m.account <> a.account AND EXISTS (
        SELECT 1 FROM channel_reader r WHERE r."channelId" = a.channel AND r."accountId" = m.account)
      GROUP BY m.account, a.channel
    ) each GROUP BY account, channel`;
const movesOf = { alone: ownMove, plain: ownMoves, full: mentionedToo };
const cursorsOf = (shape: Shape): string => `
  cursors AS (
    INSERT INTO "ChannelCursor" AS cc ("accountId", "channelId", "readSeq", "readOrdinal", mentions, "lastSentAt")
    SELECT account, channel, seq, ordinal, mentions, at FROM (${movesOf[shape]}) moves
    ON CONFLICT ("accountId", "channelId") DO UPDATE SET
      "readSeq" = GREATEST(cc."readSeq", EXCLUDED."readSeq"),
      "readOrdinal" = GREATEST(cc."readOrdinal", EXCLUDED."readOrdinal"),
      mentions = CASE WHEN EXCLUDED."lastSentAt" IS NULL THEN cc.mentions ELSE 0 END + EXCLUDED.mentions,
      "lastSentAt" = COALESCE(EXCLUDED."lastSentAt", cc."lastSentAt")
  )`;

const posted = `COALESCE((SELECT json_agg(json_build_object('packet', o.packet, 'seq', o.seq)) FROM outgoing o
      WHERE o.idx = r.idx), '[]'::json)`;

const statement = (shape: Shape): string => {
  const extra = shape === 'full' ? [extras] : [];
  const parts = [inputOf(shape), judgedOf(shape), storedOf(shape), ...extra, cursorsOf(shape)];
  return `WITH ${parts.join(',')}
  SELECT r.verdict, CASE WHEN r.verdict = 'stored' THEN r.seq ELSE r."oldSeq" END AS seq,
    CASE WHEN r.verdict = 'stored' THEN r.ordinal ELSE r."oldOrdinal" END AS ordinal,
    CASE WHEN r.verdict = 'stored' THEN r.at ELSE r."oldAt" END AS "createdAt",
    r."currentEpoch" AS epoch, r."devicesVersion", r."audienceCommunityId", r."waitMs",
    ${shape === 'full' ? posted : `'[]'::json`} AS posted
  FROM ranked r ${shape === 'alone' ? '' : 'ORDER BY r.idx'}`;
};
const aloneSql = statement('alone');
const plainSql = statement('plain');
const fullSql = statement('full');

/** Messages and nothing else: most of all sends. The plain statement has half the plan to set up. */
const isPlain = (row: SendRow): boolean =>
  row.class === 'message' && !row.chainCert && row.mentions.length === 0 && row.packets.length === 0;

/** Runs the statement for rows of one lane; answers in the same order. Throws when any row cannot be stored at all. */
export function runSendStatement(q: Queryable, rows: readonly SendRow[], at: number): Promise<SendVerdict[]> {
  const placed = place(rows);
  const [only] = placed;
  if (only && placed.length === 1 && isPlain(only.row)) {
    const values = columns.map(([, , pick]) => pick(only));
    return q.query<SendVerdict>('messages.send-alone', aloneSql, [...values, new Date(at)]);
  }
  const params = [...columns.map(([, , pick]) => placed.map(pick)), new Date(at)];
  if (rows.every(isPlain)) return q.query<SendVerdict>('messages.send-plain', plainSql, params);
  const spread = <T>(pick: (row: SendRow) => readonly T[]): { idx: number; nth: number; item: T }[] =>
    rows.flatMap((row, idx) => pick(row).map((item, nth) => ({ idx, nth, item })));
  const certs = spread((row) => (row.chainCert ? [row.chainCert] : []));
  const packets = spread((row) => row.packets);
  const mentions = spread((row) => row.mentions);
  return q.query<SendVerdict>('messages.send', fullSql, [
    ...params,
    certs.map((c) => c.idx),
    certs.map((c) => c.item),
    packets.map((p) => p.idx),
    packets.map((p) => p.nth),
    packets.map((p) => p.item.accountId),
    packets.map((p) => p.item.deviceId),
    packets.map((p) => p.item.bytes),
    mentions.map((m) => m.idx),
    mentions.map((m) => m.item),
  ]);
}
