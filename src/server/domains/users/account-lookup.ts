// The own account, asked for by every client that comes back.
import { batchedLookup, type BatchedLookup } from '#server/platform/batched-lookup.ts';
import type { Database } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { listAccounts, type AccountRow } from './users.queries.ts';

/** Answers null for an account there is not. */
export type AccountLookup = BatchedLookup<AccountId, AccountRow>;

export const createAccountLookup = ({ db }: { db: Database }): AccountLookup =>
  batchedLookup({
    maxBatch: limits.commitBatch,
    load: (accountIds) => listAccounts(db, accountIds),
    idOf: (row) => row.id,
  });
