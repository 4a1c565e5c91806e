import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';

export interface LinkRow {
  readonly expiresAt: Date;
  readonly accountId: AccountId | null;
  readonly deviceId: DeviceId | null;
  readonly claimHash: Uint8Array | null;
  readonly meeting: Uint8Array | null;
  readonly request: Uint8Array | null;
  readonly grant: Uint8Array | null;
}

const columns = '"expiresAt", "accountId", "deviceId", "claimHash", meeting, request, "grant"';

/** The mailbox, unless its time is over. */
export async function findLink(q: Queryable, id: Uint8Array, now: Date): Promise<LinkRow | null> {
  const rows = await q.query<LinkRow>(
    'links.find',
    `SELECT ${columns} FROM "LinkMailbox" WHERE id = $1::bytea AND "expiresAt" > $2::timestamptz`,
    [id, now],
  );
  return rows[0] ?? null;
}

/** As `findLink`, held until the transaction ends. */
export async function lockLink(q: Queryable, id: Uint8Array, now: Date): Promise<LinkRow | null> {
  const rows = await q.query<LinkRow>(
    'links.lock',
    `SELECT ${columns} FROM "LinkMailbox" WHERE id = $1::bytea AND "expiresAt" > $2::timestamptz FOR UPDATE`,
    [id, now],
  );
  return rows[0] ?? null;
}

/** False when the id is taken. */
export async function insertLink(
  q: Queryable,
  link: { readonly id: Uint8Array; readonly createdAt: Date; readonly expiresAt: Date },
): Promise<boolean> {
  const rows = await q.query<{ one: number }>(
    'links.insert',
    `INSERT INTO "LinkMailbox" (id, "createdAt", "expiresAt") VALUES ($1::bytea, $2::timestamptz, $3::timestamptz)
     ON CONFLICT (id) DO NOTHING RETURNING 1 AS one`,
    [link.id, link.createdAt, link.expiresAt],
  );
  return rows.length > 0;
}

export async function countLinks(q: Queryable, now: Date): Promise<number> {
  const rows = await q.query<{ count: number }>(
    'links.count',
    'SELECT count(*)::int4 AS count FROM "LinkMailbox" WHERE "expiresAt" > $1::timestamptz',
    [now],
  );
  return rows[0]?.count ?? 0;
}

export async function storeMeeting(
  q: Queryable,
  id: Uint8Array,
  met: { readonly accountId: AccountId; readonly parcel: Uint8Array },
): Promise<void> {
  await q.query(
    'links.meet',
    'UPDATE "LinkMailbox" SET "accountId" = $2::uuid, meeting = $3::bytea WHERE id = $1::bytea',
    [id, met.accountId, met.parcel],
  );
}

export async function storeRequest(q: Queryable, id: Uint8Array, parcel: Uint8Array): Promise<void> {
  await q.query('links.ask', 'UPDATE "LinkMailbox" SET request = $2::bytea WHERE id = $1::bytea', [
    id,
    parcel,
  ]);
}

export async function storeGrant(
  q: Queryable,
  id: Uint8Array,
  granted: {
    readonly parcel: Uint8Array;
    readonly deviceId: DeviceId;
    readonly claimHash: Uint8Array;
    readonly expiresAt: Date;
  },
): Promise<void> {
  const { parcel, deviceId, claimHash, expiresAt } = granted;
  await q.query(
    'links.grant',
    `UPDATE "LinkMailbox" SET "grant" = $2::bytea, "deviceId" = $3::uuid, "claimHash" = $4::bytea,
       "expiresAt" = $5::timestamptz WHERE id = $1::bytea`,
    [id, parcel, deviceId, claimHash, expiresAt],
  );
}

export async function removeLink(q: Queryable, id: Uint8Array): Promise<void> {
  await q.query('links.remove', 'DELETE FROM "LinkMailbox" WHERE id = $1::bytea', [id]);
}
