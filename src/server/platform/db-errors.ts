// Which SQL state lies behind a failed query, whether it came through Prisma or straight from the driver.

interface ErrorLike {
  readonly code?: unknown;
  readonly meta?: { readonly code?: unknown; readonly driverAdapterError?: { readonly cause?: unknown } };
  readonly cause?: unknown;
  readonly originalCode?: unknown;
}

const SQL_STATE = /^[0-9A-Z]{5}$/;
/** Prisma's own codes look like SQL states (P2002), so they are translated first. */
const PRISMA_STATES: Readonly<Record<string, string>> = { P2002: '23505', P2003: '23503', P2034: '40001' };

/** The five-character SQL state of `error`, or null when it is no database error. */
export function sqlStateOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  const { code, meta, cause, originalCode } = error as ErrorLike;
  if (typeof code === 'string' && PRISMA_STATES[code]) return PRISMA_STATES[code];
  for (const candidate of [originalCode, meta?.code, code]) {
    // P0… is PL/pgSQL's class of SQL states; Prisma's own codes begin at P1000.
    if (typeof candidate === 'string' && SQL_STATE.test(candidate) && !/^P[1-9]\d{3}$/.test(candidate))
      return candidate;
  }
  return sqlStateOf(meta?.driverAdapterError?.cause) ?? sqlStateOf(cause);
}

/** A unique constraint refused the row (23505). */
export const isUniqueViolation = (error: unknown): boolean => sqlStateOf(error) === '23505';

/** Running the same transaction again may succeed: serialisation failure (40001) or deadlock (40P01). */
export const isRetryable = (error: unknown): boolean => ['40001', '40P01'].includes(sqlStateOf(error) ?? '');
