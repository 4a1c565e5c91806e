// The tables of the product as the database itself describes them, so that a new one is in every backup by itself.
import type { DatabaseSession } from '../platform/db.ts';

export interface Table {
  readonly name: string;
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[];
}

/** Every foreign key of the schema: rows of `from` name rows of `to`. */
export interface Reference {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly fromColumns: readonly string[];
  readonly toColumns: readonly string[];
}

const columnsOf = (relation: string, numbers: string): string =>
  `(SELECT array_agg(a.attname::text ORDER BY n.place) FROM unnest(${numbers}) WITH ORDINALITY AS n(number, place)
     JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = n.number)`;

export function references(session: DatabaseSession): Promise<Reference[]> {
  return session.rows<Reference>(
    `SELECT c.conname::text AS name, f.relname::text AS "from", t.relname::text AS "to",
       ${columnsOf('c.conrelid', 'c.conkey')} AS "fromColumns", ${columnsOf('c.confrelid', 'c.confkey')} AS "toColumns"
     FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
     WHERE c.contype = 'f' AND f.relnamespace = 'public'::regnamespace ORDER BY c.conname`,
  );
}

/** All tables but the bookkeeping of migrations; a table comes after every table it refers to. */
export async function tablesInOrder(session: DatabaseSession): Promise<Table[]> {
  const tables = await session.rows<Table>(
    `SELECT r.relname::text AS name, ${columnsOf('i.indrelid', 'i.indkey::int2[]')} AS key
     FROM pg_class r JOIN pg_index i ON i.indrelid = r.oid AND i.indisprimary
     WHERE r.relkind = 'r' AND r.relnamespace = 'public'::regnamespace AND r.relname <> '_prisma_migrations'
     ORDER BY r.relname`,
  );
  const known = await references(session);
  const ordered: Table[] = [];
  let left = tables;
  while (left.length > 0) {
    const waits = new Set(left.map((table) => table.name));
    const free = left.filter(
      ({ name }) => !known.some((ref) => ref.from === name && ref.to !== name && waits.has(ref.to)),
    );
    if (free.length === 0) throw new Error('the tables refer to each other in a circle');
    ordered.push(...free);
    left = left.filter((table) => !free.includes(table));
  }
  return ordered;
}
