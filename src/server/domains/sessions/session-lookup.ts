// Which session may act is asked for every call over HTTP and twice for every new socket.
import { batchedLookup, type BatchedLookup } from '#server/platform/batched-lookup.ts';
import type { Clock } from '#server/platform/clock.ts';
import type { Database } from '#server/platform/db.ts';
import type { SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { findActiveSessions, type ActiveSession } from './sessions.queries.ts';

/** Answers null for a session that may not act. */
export type SessionLookup = BatchedLookup<SessionId, ActiveSession>;

export const createSessionLookup = ({ db, clock }: { db: Database; clock: Clock }): SessionLookup =>
  batchedLookup({
    maxBatch: limits.commitBatch,
    load: (sessionIds) => findActiveSessions(db, sessionIds, clock.now()),
    idOf: (row) => row.sessionId,
  });
