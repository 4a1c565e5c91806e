// Sessions are refresh token families. A token is used once: its successor is derived from it, so that parallel
// tabs within the grace get the same one; any later use of a spent token ends the family.
import { createHmac } from 'node:crypto';
import type { Actor, Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { hashRefreshToken, newRefreshToken } from '#server/platform/tokens.ts';
import type { SessionGrant, SessionSummary } from '#shared/auth.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import {
  findActiveSessions,
  findAuthenticatedAt,
  listLiveSessions,
  lockByCurrentToken,
  lockBySpentToken,
  markRevoked,
  sessionsBeyond,
  storeAuthenticatedAt,
  type ActiveSession,
  type SessionRow,
  type SessionScope,
} from './sessions.queries.ts';

export type { ActiveSession } from './sessions.queries.ts';

/** Where a session is used from; shown to its owner in the session list. */
export interface SessionOrigin {
  readonly userAgent: string;
  readonly address: string;
}

/** A session and the refresh token that only its browser gets. */
export interface IssuedSession {
  readonly sessionId: SessionId;
  readonly accountId: AccountId;
  readonly deviceId: DeviceId | null;
  readonly refreshToken: string;
}

const userAgentMax = 300;

/** Creates a session inside the caller's transaction. Beyond the limit the longest unused sessions end. */
export async function createSession(
  tx: Tx,
  deps: Deps,
  input: {
    readonly accountId: AccountId;
    readonly deviceId: DeviceId | null;
    readonly origin: SessionOrigin;
    /** False where another device let this one in: nobody proved here who they are. */
    readonly isProven?: boolean;
  },
): Promise<IssuedSession> {
  const now = deps.clock.now();
  const { token, hash } = newRefreshToken();
  const sessionId = uuidv7(deps.clock) as SessionId;
  const surplus = await sessionsBeyond(tx, input.accountId, limits.sessionsPerAccount - 1);
  for (const old of surplus) await revokeSessions(tx, deps, { sessionId: old });
  await tx.prisma.session.create({
    data: {
      id: sessionId,
      accountId: input.accountId,
      deviceId: input.deviceId,
      refreshHash: Uint8Array.from(hash),
      rotatedAt: new Date(now),
      userAgent: input.origin.userAgent.slice(0, userAgentMax),
      address: input.origin.address,
      createdAt: new Date(now),
      lastUsedAt: new Date(now),
      expiresAt: new Date(now + limits.refreshTokenMs),
      authenticatedAt: input.isProven === false ? null : new Date(now),
    },
  });
  return { sessionId, accountId: input.accountId, deviceId: input.deviceId, refreshToken: token };
}

/** The answer to register, log in and refresh, without the refresh token, which travels in a cookie. */
export async function grantOf(
  deps: Deps,
  session: {
    readonly sessionId: SessionId;
    readonly accountId: AccountId;
    readonly deviceId: DeviceId | null;
  },
): Promise<SessionGrant> {
  const { accountId, sessionId, deviceId } = session;
  const accessToken = await deps.tokens.sign({ accountId, deviceId, sessionId });
  return { accessToken, accountId, sessionId, deviceId };
}

/** The one token that may follow `token`: repeating a rotation within the grace gives the same answer. */
function successorOf(deps: Deps, token: string, sessionId: SessionId): string {
  return createHmac('sha256', deps.secrets.kdfFakeKey)
    .update(`refresh-successor/${sessionId}/`)
    .update(hashRefreshToken(token))
    .digest('base64url');
}

type Rotation =
  | { readonly kind: 'issued'; readonly session: IssuedSession }
  | { readonly kind: 'unknown' | 'ended' }
  | { readonly kind: 'reused'; readonly accountId: AccountId };

const sameBytes = (a: Uint8Array | null, b: Uint8Array): boolean => a !== null && Buffer.compare(a, b) === 0;

async function spend(tx: Tx, deps: Deps, input: { row: SessionRow; token: string }): Promise<IssuedSession> {
  const { row, token } = input;
  const now = new Date(deps.clock.now());
  const refreshToken = successorOf(deps, token, row.id);
  await tx.query(
    'sessions.rotate',
    `UPDATE "Session" SET "refreshHash" = $2, "previousHash" = $3, "rotatedAt" = $4::timestamptz,
       "lastUsedAt" = $4::timestamptz, "expiresAt" = $5::timestamptz WHERE id = $1`,
    [
      row.id,
      hashRefreshToken(refreshToken),
      row.refreshHash,
      now,
      new Date(now.getTime() + limits.refreshTokenMs),
    ],
  );
  await tx.query(
    'sessions.spend',
    'INSERT INTO "SpentRefresh" (hash, "sessionId", "spentAt") VALUES ($1, $2, $3::timestamptz)',
    [row.refreshHash, row.id, now],
  );
  return { sessionId: row.id, accountId: row.accountId, deviceId: row.deviceId, refreshToken };
}

async function repeatOrRevoke(
  tx: Tx,
  deps: Deps,
  input: { row: SessionRow; token: string },
): Promise<Rotation> {
  const { row, token } = input;
  const now = deps.clock.now();
  const isPrevious = sameBytes(row.previousHash, hashRefreshToken(token));
  if (isPrevious && now - row.rotatedAt.getTime() <= limits.refreshGraceMs) {
    const refreshToken = successorOf(deps, token, row.id);
    const { id: sessionId, accountId, deviceId } = row;
    return { kind: 'issued', session: { sessionId, accountId, deviceId, refreshToken } };
  }
  await revokeSessions(tx, deps, { sessionId: row.id });
  return { kind: 'reused', accountId: row.accountId };
}

const isOver = (row: SessionRow, now: number): boolean =>
  row.revokedAt !== null || row.expiresAt.getTime() <= now;

async function rotateInside(tx: Tx, deps: Deps, token: string): Promise<Rotation> {
  const hash = hashRefreshToken(token);
  const now = deps.clock.now();
  const current = await lockByCurrentToken(tx, hash);
  if (current) {
    const active = isOver(current, now) ? [] : await findActiveSessions(tx, [current.id], now);
    if (active.length === 0) return { kind: 'ended' };
    return { kind: 'issued', session: await spend(tx, deps, { row: current, token }) };
  }
  const earlier = await lockBySpentToken(tx, hash);
  if (!earlier) return { kind: 'unknown' };
  if (isOver(earlier, now)) return { kind: 'ended' };
  return repeatOrRevoke(tx, deps, { row: earlier, token });
}

/**
 * Rotates a refresh token. Throws `unauthenticated` for a token nobody was given, `session_revoked` for one whose
 * session is over and for a spent one used again after the grace, which ends the family.
 */
export async function rotateSession(deps: Deps, token: string): Promise<IssuedSession> {
  const rotation = await transaction(deps.db, (tx) => rotateInside(tx, deps, token));
  if (rotation.kind === 'issued') return rotation.session;
  if (rotation.kind === 'unknown') throw new AppError({ code: 'unauthenticated' });
  if (rotation.kind === 'reused') deps.log.warn('session.reuse_detected', { accountId: rotation.accountId });
  throw new AppError({ code: 'session_revoked' });
}

/** Ends sessions; after commit their sockets hear it and are closed. Returns the ids it ended. */
export async function revokeSessions(tx: Tx, deps: Deps, scope: SessionScope): Promise<SessionId[]> {
  const ended = await markRevoked(tx, scope, deps.clock.now());
  tx.afterCommit(() => {
    for (const sessionId of ended) {
      deps.live.publish({ to: 'session', sessionId }, { type: 'session.revoked', sessionId });
      deps.live.closeSession(sessionId);
    }
  });
  return ended;
}

/** Ends one session of one's own; another's is `not_found`. */
export function revokeSession(
  deps: Deps,
  actor: Actor,
  input: { readonly sessionId: SessionId },
): Promise<void> {
  return transaction(deps.db, async (tx) => {
    const ended = await revokeSessions(tx, deps, { accountId: actor.accountId, sessionId: input.sessionId });
    if (ended.length === 0) throw notFound();
  });
}

export async function listSessions(deps: Deps, actor: Actor): Promise<readonly SessionSummary[]> {
  const rows = await listLiveSessions(deps.db, actor.accountId, deps.clock.now());
  return rows.map((row) => ({
    sessionId: row.id,
    deviceId: row.deviceId,
    deviceLabel: row.deviceLabel,
    userAgent: row.userAgent,
    address: row.address,
    createdAt: row.createdAt.getTime(),
    lastUsedAt: row.lastUsedAt.getTime(),
    isCurrent: row.id === actor.sessionId,
  }));
}

/** Throws `reauthentication_required` unless the session's person proved to be themselves minutes ago. */
export async function requireFresh(q: Queryable, deps: Deps, sessionId: SessionId): Promise<void> {
  const provenAt = await findAuthenticatedAt(q, sessionId);
  const isFresh = provenAt !== null && deps.clock.now() - provenAt < limits.freshMs;
  if (!isFresh) throw new AppError({ code: 'reauthentication_required' });
}

/** The session is fresh from now on for `limits.freshMs`. */
export const markAuthenticated = (tx: Tx, deps: Deps, sessionId: SessionId): Promise<void> =>
  storeAuthenticatedAt(tx, sessionId, new Date(deps.clock.now()));

/** The session, if it may act now. */
export const findActiveSession = (deps: Deps, sessionId: SessionId): Promise<ActiveSession | null> =>
  deps.sessions.push(sessionId);

/** Those of the given sessions that may act now: what every node asks about its open sockets. */
export function recheckSessions(deps: Deps, sessionIds: readonly SessionId[]): Promise<ActiveSession[]> {
  return findActiveSessions(deps.db, sessionIds, deps.clock.now());
}
