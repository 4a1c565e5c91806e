// The own account, asked for by every client that comes back. As with sessions, questions that come while the database
// answers others share the next query (0014).
import { CommitQueue } from '#server/platform/commit-queue.ts';
import type { Database } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { listAccounts, type AccountRow } from './users.queries.ts';

/** Answers null for an account there is not. The row is read after the question was put, never before. */
export type AccountLookup = CommitQueue<AccountId, AccountRow | null>;

export function createAccountLookup({ db }: { db: Database }): AccountLookup {
  return new CommitQueue({
    lanes: 1,
    maxBatch: limits.commitBatch,
    laneKey: () => '',
    commit: async (accountIds) => {
      const rows = await listAccounts(db, [...new Set(accountIds)]);
      const found = new Map(rows.map((row) => [row.id, row]));
      return accountIds.map((id) => found.get(id) ?? null);
    },
  });
}
