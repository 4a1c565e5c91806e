// Runs work in one transaction: everything or nothing. What others must hear of it is registered with
// `afterCommit`, so nothing is announced that did not happen.
import { setTimeout as sleep } from 'node:timers/promises';
import { isRetryable } from './db-errors.ts';
import type { Database, PrismaModels, Queryable } from './db.ts';

const MAX_TRIES = 6;
const BACKOFF_MS = 15;

export interface Tx extends Queryable {
  /** Registers what happens once the transaction is committed, in order; dropped when it is not. */
  afterCommit(action: () => void): void;
}

export interface TransactionOptions {
  /** Default ReadCommitted: rows that must not change are locked by SQL. */
  readonly isolation?: 'ReadCommitted' | 'RepeatableRead' | 'Serializable';
}

/**
 * Runs `work` in a transaction and then its `afterCommit` actions, before it resolves. On a serialisation failure
 * or deadlock `work` runs again, up to six times in all, so it must have no effect outside `tx`; inside it only
 * `tx` may be used (the embedded database has one connection, and anything else would wait for ever).
 * @throws whatever `work` throws, after rolling back
 */
export async function transaction<T>(
  db: Database,
  work: (tx: Tx) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const actions: (() => void)[] = [];
    try {
      const result = await db.prisma.$transaction((prisma) => work(txOf(prisma, actions)), {
        isolationLevel: options.isolation ?? 'ReadCommitted',
      });
      for (const action of actions) action();
      return result;
    } catch (cause) {
      if (attempt >= MAX_TRIES || !isRetryable(cause)) throw cause;
      await sleep(Math.random() * BACKOFF_MS * 2 ** attempt);
    }
  }
}

const txOf = (prisma: PrismaModels, actions: (() => void)[]): Tx => ({
  prisma,
  // Prisma owns the transaction's connection, so raw queries go through it; it prepares them by their text.
  query: <T>(_name: string, sql: string, params: readonly unknown[] = []) =>
    prisma.$queryRawUnsafe<T[]>(sql, ...params),
  afterCommit: (action) => void actions.push(action),
});
