import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';

export interface DeviceRow {
  readonly id: DeviceId;
  readonly accountId: AccountId;
  readonly label: string;
  readonly addedSeq: number;
  readonly isRevoked: boolean;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
}

const deviceColumns = `id, "accountId", label, "addedSeq", "revokedAt" IS NOT NULL AS "isRevoked", "createdAt",
  "lastSeenAt"`;

export async function findDeviceRow(q: Queryable, deviceId: DeviceId): Promise<DeviceRow | null> {
  const rows = await q.query<DeviceRow>(
    'devices.find',
    `SELECT ${deviceColumns} FROM "Device" WHERE id = $1`,
    [deviceId],
  );
  return rows[0] ?? null;
}

/** Live devices of the accounts, oldest first. */
export function listLiveDevices(q: Queryable, accountIds: readonly AccountId[]): Promise<DeviceRow[]> {
  return q.query<DeviceRow>(
    'devices.live',
    `SELECT ${deviceColumns} FROM "Device" WHERE "accountId" = ANY($1::uuid[]) AND "revokedAt" IS NULL
     ORDER BY "accountId", "addedSeq"`,
    [accountIds],
  );
}

export interface LogEntryRow {
  readonly accountId: AccountId;
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** Entries of several logs, each from its own seq on. */
export function listLogEntries(
  q: Queryable,
  asked: readonly { readonly accountId: AccountId; readonly fromSeq: number }[],
): Promise<LogEntryRow[]> {
  return q.query<LogEntryRow>(
    'devices.log-entries',
    `SELECT e."accountId", e.seq, e.bytes FROM unnest($1::uuid[], $2::int4[]) AS a(id, "from")
     JOIN "AccountLogEntry" e ON e."accountId" = a.id AND e.seq >= a."from" ORDER BY e."accountId", e.seq`,
    [asked.map((a) => a.accountId), asked.map((a) => a.fromSeq)],
  );
}

/** Entries of the logs these accounts had before, the newest `shown` of each, newest log first. */
export function listFormerEntries(
  q: Queryable,
  accountIds: readonly AccountId[],
  shown: number,
): Promise<{ accountId: AccountId; era: number; bytes: Uint8Array }[]> {
  return q.query(
    'devices.former-entries',
    `SELECT f."accountId", f.era, f.bytes FROM "FormerLogEntry" f
     JOIN (SELECT "accountId", max(era) AS last FROM "FormerLogEntry" WHERE "accountId" = ANY($1::uuid[])
       GROUP BY "accountId") n ON n."accountId" = f."accountId" AND f.era > n.last - $2::int4
     ORDER BY f."accountId", f.era DESC, f.seq`,
    [accountIds, shown],
  );
}

export async function findLogEntry(
  q: Queryable,
  accountId: AccountId,
  seq: number,
): Promise<Uint8Array | null> {
  const rows = await q.query<{ bytes: Uint8Array }>(
    'devices.log-entry',
    'SELECT bytes FROM "AccountLogEntry" WHERE "accountId" = $1 AND seq = $2::int4',
    [accountId, seq],
  );
  return rows[0]?.bytes ?? null;
}

/** Serialises appends to one log; the seq of its newest entry, -1 when there is none or the account is gone. */
export async function lockLogHead(q: Queryable, accountId: AccountId): Promise<number> {
  const alive = await q.query(
    'devices.lock-log',
    'SELECT id FROM "Account" WHERE id = $1 AND "deletedAt" IS NULL FOR NO KEY UPDATE',
    [accountId],
  );
  if (alive.length === 0) return -1;
  const rows = await q.query<{ seq: number }>(
    'devices.log-head',
    'SELECT COALESCE(max(seq), -1)::int4 AS seq FROM "AccountLogEntry" WHERE "accountId" = $1',
    [accountId],
  );
  return rows[0]?.seq ?? -1;
}

export interface NewLogEntry {
  readonly accountId: AccountId;
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly createdAt: Date;
}

export async function insertLogEntry(q: Queryable, entry: NewLogEntry): Promise<void> {
  await q.query(
    'devices.insert-log-entry',
    `INSERT INTO "AccountLogEntry" ("accountId", seq, bytes, hash, "createdAt")
     VALUES ($1, $2::int4, $3, $4, $5::timestamptz)`,
    [entry.accountId, entry.seq, entry.bytes, entry.hash, entry.createdAt],
  );
}

/** Moves a log out of the way of its successor. Answers which one of the account's it was, 1 the first. */
export async function archiveLog(q: Queryable, accountId: AccountId, endedAt: Date): Promise<number> {
  const rows = await q.query<{ era: number }>(
    'devices.archive-log',
    `WITH next AS (SELECT COALESCE(max(era), 0) + 1 AS era FROM "FormerLogEntry" WHERE "accountId" = $1::uuid),
       gone AS (DELETE FROM "AccountLogEntry" WHERE "accountId" = $1::uuid RETURNING seq, bytes, "createdAt"),
       kept AS (INSERT INTO "FormerLogEntry" ("accountId", era, seq, bytes, "createdAt", "endedAt")
         SELECT $1::uuid, next.era, gone.seq, gone.bytes, gone."createdAt", $2::timestamptz FROM gone, next)
     SELECT era::int4 FROM next`,
    [accountId, endedAt],
  );
  return rows[0]?.era ?? 1;
}

export interface NewDevice {
  readonly deviceId: DeviceId;
  readonly accountId: AccountId;
  readonly label: string;
  readonly signingKey: Uint8Array;
  readonly addedSeq: number;
  readonly createdAt: Date;
}

/** False when the id is taken, by whatever account. */
export async function insertDevice(q: Queryable, device: NewDevice): Promise<boolean> {
  const rows = await q.query<{ id: string }>(
    'devices.insert',
    `INSERT INTO "Device" (id, "accountId", label, "signingKey", "addedSeq", "createdAt", "lastSeenAt")
     VALUES ($1, $2, $3, $4, $5::int4, $6::timestamptz, $6::timestamptz) ON CONFLICT (id) DO NOTHING RETURNING id`,
    [device.deviceId, device.accountId, device.label, device.signingKey, device.addedSeq, device.createdAt],
  );
  return rows.length === 1;
}

/** Marks a device revoked and drops its prekeys and its queue. */
export async function retireDevice(
  q: Queryable,
  deviceId: DeviceId,
  revoked: { readonly seq: number; readonly at: Date },
): Promise<void> {
  await q.query(
    'devices.retire',
    'UPDATE "Device" SET "revokedSeq" = $2::int4, "revokedAt" = $3::timestamptz WHERE id = $1',
    [deviceId, revoked.seq, revoked.at],
  );
  await q.query('devices.drop-prekeys', 'DELETE FROM "PrekeySet" WHERE "deviceId" = $1', [deviceId]);
  await q.query('devices.drop-queue', 'DELETE FROM "MailboxPacket" WHERE "deviceId" = $1', [deviceId]);
}

export async function storeLabel(q: Queryable, deviceId: DeviceId, label: string): Promise<void> {
  await q.query('devices.label', 'UPDATE "Device" SET label = $2 WHERE id = $1', [deviceId, label]);
}

/** Notes that devices are in use, at most once an hour each. */
export async function touchDeviceRows(
  q: Queryable,
  deviceIds: readonly DeviceId[],
  now: Date,
): Promise<void> {
  await q.query(
    'devices.touch',
    `UPDATE "Device" SET "lastSeenAt" = $2::timestamptz
     WHERE id = ANY($1::uuid[]) AND "lastSeenAt" < $2::timestamptz - interval '1 hour'`,
    [deviceIds, now],
  );
}

/** Locks a session and reads what attaching needs. */
export async function lockAttachment(
  q: Queryable,
  sessionId: SessionId,
): Promise<{ deviceId: DeviceId | null; challenge: Uint8Array | null } | null> {
  const rows = await q.query<{ deviceId: DeviceId | null; challenge: Uint8Array | null }>(
    'devices.lock-attachment',
    'SELECT "deviceId", "attachChallenge" AS challenge FROM "Session" WHERE id = $1 FOR NO KEY UPDATE',
    [sessionId],
  );
  return rows[0] ?? null;
}

export async function storeChallenge(
  q: Queryable,
  sessionId: SessionId,
  challenge: Uint8Array,
): Promise<void> {
  await q.query('devices.store-challenge', 'UPDATE "Session" SET "attachChallenge" = $2 WHERE id = $1', [
    sessionId,
    challenge,
  ]);
}

/** Binds the session and spends its challenge. */
export async function storeAttachment(q: Queryable, sessionId: SessionId, deviceId: DeviceId): Promise<void> {
  await q.query(
    'devices.store-attachment',
    'UPDATE "Session" SET "deviceId" = $2, "attachChallenge" = NULL WHERE id = $1',
    [sessionId, deviceId],
  );
}
