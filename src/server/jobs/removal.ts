// Removing rows in bounded pages. Every page is a statement of its own, so others get through between two; the
// condition is asked again by the statement that removes, so a row that came back to life meanwhile stays; and a row
// that cannot be removed is left aside without holding up the rest.
import { sqlStateOf } from '../platform/db-errors.ts';
import type { Deps } from '../deps.ts';

const PAGE = 1000;
/** Rows left aside in one run before it gives up: that many are not an accident of single rows. */
const MAX_ASIDE = 200;

export interface Removal {
  /** Kebab-case; names the statements and the log line. */
  readonly name: string;
  readonly table: string;
  /** SQL over the row `t`; parameters from $1. */
  readonly where: string;
  readonly params: readonly unknown[];
  /** SQL after SET, for rows that are emptied rather than deleted; `where` must not hold for them afterwards. */
  readonly set?: string;
}

/** Integrity constraints (class 23) and exceptions raised by triggers (P0) are the row's; all else is the database's. */
const isRowsFault = (cause: unknown): boolean => /^(23|P0)/.test(sqlStateOf(cause) ?? '');

class Remover {
  readonly #deps: Deps;
  readonly #removal: Removal;
  /** Where the rows left aside lie. */
  readonly aside: string[] = [];

  constructor(deps: Deps, removal: Removal) {
    this.#deps = deps;
    this.#removal = removal;
  }

  async find(limit: number): Promise<string[]> {
    const { name, table, where, params } = this.#removal;
    const [aside, most] = [`$${params.length + 1}::text[]::tid[]`, `$${params.length + 2}::int4`];
    const rows = await this.#deps.db.query<{ at: string }>(
      `jobs.${name}.find`,
      `SELECT t.ctid::text AS at FROM "${table}" t WHERE ${where} AND t.ctid <> ALL(${aside}) LIMIT ${most}`,
      [...params, this.aside, limit],
    );
    return rows.map((row) => row.at);
  }

  /** Removes the rows at `places`; on a refusal halves the page until the row that is refused stands alone. */
  async remove(places: readonly string[]): Promise<number> {
    try {
      return await this.#statement(places);
    } catch (cause) {
      if (!isRowsFault(cause)) throw cause;
      if (this.aside.length >= MAX_ASIDE) throw cause;
      if (places.length === 1) {
        this.aside.push(...places);
        return 0;
      }
    }
    const middle = places.length >> 1;
    return (await this.remove(places.slice(0, middle))) + (await this.remove(places.slice(middle)));
  }

  async #statement(places: readonly string[]): Promise<number> {
    const { name, table, where, params, set } = this.#removal;
    const verb = set === undefined ? `DELETE FROM "${table}" t` : `UPDATE "${table}" t SET ${set}`;
    const rows = await this.#deps.db.query<{ one: number }>(
      `jobs.${name}.remove`,
      `${verb} WHERE t.ctid = ANY($${params.length + 1}::text[]::tid[]) AND ${where} RETURNING 1 AS one`,
      [...params, places],
    );
    return rows.length;
  }
}

/** Removes at most `limit` rows and returns how many; rows that could not be removed are logged by number. */
export async function removeRows(deps: Deps, limit: number, removal: Removal): Promise<number> {
  const remover = new Remover(deps, removal);
  let removed = 0;
  for (let isMore = true; isMore;) {
    // Looked for once, unless rows left aside took the place of others: looking costs more than removing.
    const wanted = limit - removed;
    const places = await remover.find(wanted);
    for (let from = 0; from < places.length; from += PAGE)
      removed += await remover.remove(places.slice(from, from + PAGE));
    isMore = places.length === wanted && removed < limit;
  }
  const count = remover.aside.length;
  if (count > 0) deps.log.warn('job.rows_left', { job: removal.name, count });
  return removed;
}
