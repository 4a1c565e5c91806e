import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';

/** A session that may act: neither revoked nor expired, of an account neither suspended nor deleted. */
export interface ActiveSession {
  readonly sessionId: SessionId;
  readonly accountId: AccountId;
  readonly deviceId: DeviceId | null;
}

const activeSessionSql = `
  SELECT s.id AS "sessionId", s."accountId", s."deviceId"
  FROM "Session" s JOIN "Account" a ON a.id = s."accountId"
  WHERE s.id = ANY($1::uuid[]) AND s."revokedAt" IS NULL AND s."expiresAt" > $2::timestamptz
    AND a."suspendedAt" IS NULL AND a."deletedAt" IS NULL`;

/** Those of the given sessions that may act at `now` (ms). */
export function findActiveSessions(
  q: Queryable,
  sessionIds: readonly SessionId[],
  now: number,
): Promise<ActiveSession[]> {
  return q.query<ActiveSession>('sessions.active', activeSessionSql, [sessionIds, new Date(now)]);
}

export interface SessionRow {
  readonly id: SessionId;
  readonly accountId: AccountId;
  readonly deviceId: DeviceId | null;
  readonly refreshHash: Uint8Array;
  readonly previousHash: Uint8Array | null;
  readonly rotatedAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
}

const rowSql = `SELECT s.id, s."accountId", s."deviceId", s."refreshHash", s."previousHash", s."rotatedAt",
  s."expiresAt", s."revokedAt" FROM "Session" s`;

/** Locks the session whose current refresh token has this hash. */
export async function lockByCurrentToken(q: Queryable, hash: Uint8Array): Promise<SessionRow | null> {
  const sql = `${rowSql} WHERE s."refreshHash" = $1 FOR UPDATE`;
  const rows = await q.query<SessionRow>('sessions.lock-by-current', sql, [hash]);
  return rows[0] ?? null;
}

/** Locks the session that once had a refresh token with this hash. */
export async function lockBySpentToken(q: Queryable, hash: Uint8Array): Promise<SessionRow | null> {
  const sql = `${rowSql} JOIN "SpentRefresh" p ON p."sessionId" = s.id WHERE p.hash = $1 FOR UPDATE OF s`;
  const rows = await q.query<SessionRow>('sessions.lock-by-spent', sql, [hash]);
  return rows[0] ?? null;
}

export interface ListedSession {
  readonly id: SessionId;
  readonly deviceId: DeviceId | null;
  readonly deviceLabel: string | null;
  readonly userAgent: string;
  readonly address: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
}

/** Live sessions of an account, last used first; their number is bounded at creation. */
export function listLiveSessions(q: Queryable, accountId: AccountId, now: number): Promise<ListedSession[]> {
  return q.query<ListedSession>(
    'sessions.list',
    `SELECT s.id, s."deviceId", d.label AS "deviceLabel", s."userAgent", s.address, s."createdAt", s."lastUsedAt"
     FROM "Session" s LEFT JOIN "Device" d ON d.id = s."deviceId"
     WHERE s."accountId" = $1 AND s."revokedAt" IS NULL AND s."expiresAt" > $2::timestamptz
     ORDER BY s."lastUsedAt" DESC, s.id`,
    [accountId, new Date(now)],
  );
}

/** Which live sessions to end: one, all of a device, all of an account, or all but one of an account. */
export interface SessionScope {
  readonly accountId?: AccountId;
  readonly sessionId?: SessionId;
  readonly deviceId?: DeviceId;
  readonly exceptSessionId?: SessionId;
}

/** Marks live sessions of the scope revoked; the ids it ended. */
export async function markRevoked(q: Queryable, scope: SessionScope, now: number): Promise<SessionId[]> {
  const rows = await q.query<{ id: SessionId }>(
    'sessions.revoke',
    `UPDATE "Session" SET "revokedAt" = $1::timestamptz
     WHERE "revokedAt" IS NULL AND ($2::uuid IS NULL OR "accountId" = $2) AND ($3::uuid IS NULL OR id = $3)
       AND ($4::uuid IS NULL OR "deviceId" = $4) AND ($5::uuid IS NULL OR id <> $5)
       AND ($2::uuid IS NOT NULL OR $3::uuid IS NOT NULL OR $4::uuid IS NOT NULL)
     RETURNING id`,
    [
      new Date(now),
      scope.accountId ?? null,
      scope.sessionId ?? null,
      scope.deviceId ?? null,
      scope.exceptSessionId ?? null,
    ],
  );
  return rows.map((row) => row.id);
}

/** When the session's person last proved to be themselves (ms); null: never, or there is no such session. */
export async function findAuthenticatedAt(q: Queryable, sessionId: SessionId): Promise<number | null> {
  const rows = await q.query<{ authenticatedAt: Date | null }>(
    'sessions.authenticated-at',
    'SELECT "authenticatedAt" FROM "Session" WHERE id = $1',
    [sessionId],
  );
  return rows[0]?.authenticatedAt?.getTime() ?? null;
}

export async function storeAuthenticatedAt(q: Queryable, sessionId: SessionId, now: Date): Promise<void> {
  const sql = 'UPDATE "Session" SET "authenticatedAt" = $2::timestamptz WHERE id = $1';
  await q.query('sessions.authenticated', sql, [sessionId, now]);
}

/** The longest unused sessions beyond `keep`. */
export async function sessionsBeyond(q: Queryable, accountId: AccountId, keep: number): Promise<SessionId[]> {
  const rows = await q.query<{ id: SessionId }>(
    'sessions.beyond',
    `SELECT id FROM "Session" WHERE "accountId" = $1 AND "revokedAt" IS NULL
     ORDER BY "lastUsedAt" DESC, id DESC OFFSET $2::int4`,
    [accountId, keep],
  );
  return rows.map((row) => row.id);
}
