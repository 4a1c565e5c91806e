// Which session may act is asked for every call over HTTP and twice for every new socket. Questions that come while the
// database answers others share the next query, so that a thousand clients coming back cost a few queries (0014).
import type { Clock } from '#server/platform/clock.ts';
import { CommitQueue } from '#server/platform/commit-queue.ts';
import type { Database } from '#server/platform/db.ts';
import type { SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { findActiveSessions, type ActiveSession } from './sessions.queries.ts';

/** Answers null for a session that may not act. The row is read after the question was put, never before. */
export type SessionLookup = CommitQueue<SessionId, ActiveSession | null>;

export function createSessionLookup({ db, clock }: { db: Database; clock: Clock }): SessionLookup {
  return new CommitQueue({
    lanes: 1,
    maxBatch: limits.commitBatch,
    laneKey: () => '',
    commit: async (sessionIds) => {
      const rows = await findActiveSessions(db, sessionIds, clock.now());
      const active = new Map(rows.map((row) => [row.sessionId, row]));
      return sessionIds.map((id) => active.get(id) ?? null);
    },
  });
}
