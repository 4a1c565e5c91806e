// Types of what tests use of postgres.mjs.

/** The folder with initdb and postgres, newest version first; undefined when PostgreSQL is not installed. */
export function findPostgres(): string | undefined;
