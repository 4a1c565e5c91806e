// Whether a database agrees with itself: logs without gaps, heads that match them, no row that names another that is
// not there. Reads only, in one snapshot.
import type { Database, DatabaseSession } from '../platform/db.ts';
import { references } from './tables.ts';

export interface Check {
  readonly name: string;
  /** Rows that are wrong; 0 is good. */
  readonly wrong: number;
}

/** Every statement answers one number: how many rows are wrong. */
const CHECKS: Readonly<Record<string, string>> = {
  'every channel’s log has each seq from 1 to its head once': `
    SELECT count(*)::int4 AS wrong FROM "Channel" c LEFT JOIN (
      SELECT "channelId", count(*) AS events, min(seq) AS low, max(seq) AS high FROM "ChannelEvent" GROUP BY "channelId"
    ) e ON e."channelId" = c.id
    WHERE c."lastSeq" <> COALESCE(e.events, 0) OR (e.events > 0 AND (e.low <> 1 OR e.high <> c."lastSeq"))`,
  'messages are counted from 1 to the channel’s last ordinal': `
    SELECT count(*)::int4 AS wrong FROM "Channel" c LEFT JOIN (
      SELECT "channelId", count(DISTINCT ordinal) AS messages, max(ordinal) AS high FROM "ChannelEvent"
      WHERE ordinal IS NOT NULL GROUP BY "channelId"
    ) e ON e."channelId" = c.id
    WHERE c."lastOrdinal" <> COALESCE(e.messages, 0) OR c."lastOrdinal" <> COALESCE(e.high, 0)`,
  'server time does not decrease along a log': `
    SELECT count(*)::int4 AS wrong FROM "ChannelEvent" e
    JOIN "ChannelEvent" n ON n."channelId" = e."channelId" AND n.seq = e.seq + 1 WHERE n."createdAt" < e."createdAt"`,
  'stored envelopes have the hash they were acknowledged with': `
    SELECT count(*)::int4 AS wrong FROM "ChannelEvent" WHERE envelope IS NOT NULL AND sha256(envelope) <> "envelopeHash"`,
  'a payload and its commitment are there or gone together': `
    SELECT count(*)::int4 AS wrong FROM "ChannelEvent" WHERE (envelope IS NULL) <> (commitment IS NULL)`,
  'nobody has read beyond a channel’s head': `
    SELECT count(*)::int4 AS wrong FROM "ChannelCursor" u JOIN "Channel" c ON c.id = u."channelId"
    WHERE u."readSeq" > c."lastSeq" OR u."readOrdinal" > c."lastOrdinal"`,
  'account logs have no gaps': `
    SELECT count(*)::int4 AS wrong FROM (
      SELECT count(*) AS entries, min(seq) AS low, max(seq) AS high FROM "AccountLogEntry" GROUP BY "accountId"
    ) l WHERE l.high - l.low + 1 <> l.entries OR l.low > 1`,
  'devices were added by an entry of their account’s log': `
    SELECT count(*)::int4 AS wrong FROM "Device" d WHERE NOT EXISTS (
      SELECT 1 FROM "AccountLogEntry" l WHERE l."accountId" = d."accountId" AND l.seq = d."addedSeq")
    AND NOT EXISTS (SELECT 1 FROM "FormerLogEntry" f WHERE d."revokedAt" IS NOT NULL
      AND f."accountId" = d."accountId" AND f.seq = d."addedSeq")`,
  'communities count their members': `
    SELECT count(*)::int4 AS wrong FROM "Community" c
    WHERE c."memberCount" <> (SELECT count(*) FROM "Member" m WHERE m."communityId" = c.id)`,
  'communities have an owner who is a member': `
    SELECT count(*)::int4 AS wrong FROM "Community" c WHERE NOT EXISTS (
      SELECT 1 FROM "Member" m WHERE m."communityId" = c.id AND m."accountId" = c."ownerId")`,
};

/** Rows whose foreign key names nothing: the database forbids them, unless it was damaged or tampered with. */
async function danglingRows(session: DatabaseSession): Promise<number> {
  let wrong = 0;
  for (const { from, to, fromColumns, toColumns } of await references(session)) {
    const pairs = fromColumns.map((column, at) => `t."${toColumns[at]}" = f."${column}"`).join(' AND ');
    const given = fromColumns.map((column) => `f."${column}" IS NOT NULL`).join(' AND ');
    const [row] = await session.rows<{ wrong: number }>(
      `SELECT count(*)::int4 AS wrong FROM "${from}" f
       WHERE ${given} AND NOT EXISTS (SELECT 1 FROM "${to}" t WHERE ${pairs})`,
    );
    wrong += row?.wrong ?? 0;
  }
  return wrong;
}

/** Runs every check. On the embedded database, which has one connection, others wait meanwhile. */
export function verifyDatabase(db: Database): Promise<Check[]> {
  return db.session(async (session) => {
    await session.execute('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0');
    try {
      const checks: Check[] = [];
      for (const [name, sql] of Object.entries(CHECKS)) {
        const [row] = await session.rows<{ wrong: number }>(sql);
        checks.push({ name, wrong: row?.wrong ?? -1 });
      }
      checks.push({ name: 'every reference names a row that is there', wrong: await danglingRows(session) });
      return checks;
    } finally {
      await session.execute('ROLLBACK');
    }
  });
}
