import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';
import type { InstanceRole } from '#shared/permissions.ts';

/** An account as whoever runs the server sees it. */
export interface Standing {
  readonly accountId: AccountId;
  readonly username: string;
  readonly displayName: string;
  readonly instanceRole: InstanceRole;
  readonly createdAt: Date;
  readonly suspendedAt: Date | null;
  /** Devices not revoked, sessions not ended, communities. */
  readonly devices: number;
  readonly sessions: number;
  readonly communities: number;
}

const columns = `a.id AS "accountId", a.username, a."displayName", a."instanceRole", a."createdAt", a."suspendedAt",
  (SELECT count(*)::int4 FROM "Device" d WHERE d."accountId" = a.id AND d."revokedAt" IS NULL) AS devices,
  (SELECT count(*)::int4 FROM "Session" s WHERE s."accountId" = a.id AND s."revokedAt" IS NULL) AS sessions,
  (SELECT count(*)::int4 FROM "Member" m WHERE m."accountId" = a.id) AS communities`;

export async function findStanding(q: Queryable, username: string): Promise<Standing | null> {
  const sql = `SELECT ${columns} FROM "Account" a WHERE a.username = $1::text`;
  const [row] = await q.query<Standing>('staff.find', sql, [username]);
  return row ?? null;
}

/** Living accounts whose name holds `part`, by name. */
export function listStandings(q: Queryable, part: string, limit: number): Promise<Standing[]> {
  return q.query<Standing>(
    'staff.list',
    `SELECT ${columns} FROM "Account" a WHERE position($1::text IN a.username) > 0 OR $1::text = ''
     ORDER BY a.username NULLS LAST LIMIT $2::int4`,
    [part.toLowerCase(), limit],
  );
}

export async function changeStanding(
  q: Queryable,
  accountId: AccountId,
  to: { readonly suspendedAt: Date | null; readonly instanceRole: InstanceRole },
): Promise<void> {
  await q.query(
    'staff.change',
    `UPDATE "Account" SET "suspendedAt" = $2::timestamptz, "instanceRole" = $3::text, version = version + 1
     WHERE id = $1::uuid`,
    [accountId, to.suspendedAt, to.instanceRole],
  );
}
