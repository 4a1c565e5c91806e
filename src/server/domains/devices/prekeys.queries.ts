import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';

export interface StoredSet {
  readonly setId: number;
  readonly hash: Uint8Array;
  readonly notAfter: Date;
  readonly remaining: number;
}

const setSql = `SELECT s."setId", s.hash, s."notAfter", (SELECT count(*)::int4 FROM "OneTimeKey" k
    WHERE k."deviceId" = s."deviceId" AND k."setId" = s."setId" AND k."claimedAt" IS NULL) AS remaining
  FROM "PrekeySet" s WHERE s."deviceId" = $1`;

export async function findNewestSet(q: Queryable, deviceId: DeviceId): Promise<StoredSet | null> {
  const sql = `${setSql} ORDER BY s."setId" DESC LIMIT 1`;
  return (await q.query<StoredSet>('prekeys.newest', sql, [deviceId]))[0] ?? null;
}

export async function findSet(q: Queryable, deviceId: DeviceId, setId: number): Promise<StoredSet | null> {
  const sql = `${setSql} AND s."setId" = $2::int4`;
  return (await q.query<StoredSet>('prekeys.set', sql, [deviceId, setId]))[0] ?? null;
}

export interface NewSet {
  readonly deviceId: DeviceId;
  readonly setId: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly notAfter: Date;
  readonly createdAt: Date;
  readonly units: readonly { readonly id: number; readonly encoded: Uint8Array }[];
}

/** Stores a set with its units; the units of older sets are gone from then on. */
export async function insertSet(q: Queryable, set: NewSet): Promise<void> {
  const { deviceId, setId } = set;
  await q.query(
    'prekeys.insert-set',
    `INSERT INTO "PrekeySet" ("deviceId", "setId", bytes, hash, "notAfter", "createdAt")
     VALUES ($1, $2::int4, $3, $4, $5::timestamptz, $6::timestamptz)`,
    [deviceId, setId, set.bytes, set.hash, set.notAfter, set.createdAt],
  );
  await q.query(
    'prekeys.insert-units',
    `INSERT INTO "OneTimeKey" ("deviceId", "setId", "keyId", bytes)
     SELECT $1::uuid, $2::int4, u.id, u.bytes FROM unnest($3::int4[], $4::bytea[]) AS u(id, bytes)`,
    [deviceId, setId, set.units.map((u) => u.id), set.units.map((u) => u.encoded)],
  );
  await q.query(
    'prekeys.drop-older-units',
    'DELETE FROM "OneTimeKey" WHERE "deviceId" = $1 AND "setId" < $2::int4',
    [deviceId, setId],
  );
}

/** A target of a claim: a live device and its newest set that is still valid, or none. */
export interface ClaimTarget {
  readonly deviceId: DeviceId;
  readonly accountId: AccountId;
  readonly setId: number | null;
  readonly bytes: Uint8Array | null;
  readonly byPair: number;
  readonly byAll: number;
}

/** Locks the live devices asked for in id order: claims of one target come one after another. */
export async function lockClaimTargets(q: Queryable, deviceIds: readonly DeviceId[]): Promise<void> {
  await q.query(
    'prekeys.lock-targets',
    'SELECT id FROM "Device" WHERE id = ANY($1::uuid[]) AND "revokedAt" IS NULL ORDER BY id FOR NO KEY UPDATE',
    [deviceIds],
  );
}

/** Sets and claim counts of the last hour; only the newest set of a device is ever served. */
export function readClaimTargets(
  q: Queryable,
  asked: { readonly deviceIds: readonly DeviceId[]; readonly claimer: AccountId; readonly now: Date },
): Promise<ClaimTarget[]> {
  return q.query<ClaimTarget>(
    'prekeys.targets',
    `SELECT d.id AS "deviceId", d."accountId", s."setId", s.bytes,
       (SELECT count(*)::int4 FROM "PrekeyClaim" c WHERE c."deviceId" = d.id AND c."claimerAccountId" = $2::uuid
         AND c."claimedAt" > $3::timestamptz - interval '1 hour') AS "byPair",
       (SELECT count(*)::int4 FROM "PrekeyClaim" c WHERE c."deviceId" = d.id
         AND c."claimedAt" > $3::timestamptz - interval '1 hour') AS "byAll"
     FROM "Device" d LEFT JOIN LATERAL (
       SELECT p."setId", p.bytes, p."notAfter" FROM "PrekeySet" p WHERE p."deviceId" = d.id
       ORDER BY p."setId" DESC LIMIT 1
     ) s ON s."notAfter" > $3::timestamptz
     WHERE d.id = ANY($1::uuid[]) AND d."revokedAt" IS NULL`,
    [asked.deviceIds, asked.claimer, asked.now],
  );
}

/** Takes the lowest unclaimed unit of each (device, set); devices without one are not in the answer. */
export function takeUnits(
  q: Queryable,
  sets: readonly { readonly deviceId: DeviceId; readonly setId: number }[],
  now: Date,
): Promise<{ deviceId: DeviceId; bytes: Uint8Array }[]> {
  return q.query(
    'prekeys.take',
    `WITH lowest AS (
       SELECT a.device, a.set, (SELECT min(k."keyId") FROM "OneTimeKey" k
         WHERE k."deviceId" = a.device AND k."setId" = a.set AND k."claimedAt" IS NULL) AS key
       FROM unnest($1::uuid[], $2::int4[]) AS a(device, set)
     )
     UPDATE "OneTimeKey" k SET "claimedAt" = $3::timestamptz FROM lowest l
     WHERE k."deviceId" = l.device AND k."setId" = l.set AND k."keyId" = l.key
     RETURNING k."deviceId", k.bytes`,
    [sets.map((s) => s.deviceId), sets.map((s) => s.setId), now],
  );
}

/** Notes who claimed; answers how many units each device has left. */
export async function recordClaims(
  q: Queryable,
  claims: { readonly claimer: AccountId; readonly deviceIds: readonly DeviceId[]; readonly now: Date },
): Promise<Map<DeviceId, number>> {
  await q.query(
    'prekeys.record',
    `INSERT INTO "PrekeyClaim" ("claimerAccountId", "deviceId", "claimedAt")
     SELECT $1::uuid, d, $3::timestamptz FROM unnest($2::uuid[]) AS d`,
    [claims.claimer, claims.deviceIds, claims.now],
  );
  const rows = await q.query<{ deviceId: DeviceId; remaining: number }>(
    'prekeys.remaining',
    `SELECT "deviceId", count(*)::int4 AS remaining FROM "OneTimeKey"
     WHERE "deviceId" = ANY($1::uuid[]) AND "claimedAt" IS NULL GROUP BY "deviceId"`,
    [claims.deviceIds],
  );
  return new Map(rows.map((row) => [row.deviceId, row.remaining]));
}
