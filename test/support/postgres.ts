// Databases on the PostgreSQL that TEST_DATABASE_URL names: a migrated template per run, copies of it per worker.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openDatabase } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';

async function asAdmin(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const newName = (): string => `chatalot_test_${randomBytes(6).toString('hex')}`;

/** The address of another database on the same server. */
export function withDatabase(url: string, name: string): string {
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.href;
}

export const dropDatabase = (url: string, name: string): Promise<void> =>
  asAdmin(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);

/** Creates a database without a schema; returns its name. */
export async function createDatabase(url: string): Promise<string> {
  const name = newName();
  await asAdmin(url, `CREATE DATABASE ${name}`);
  return name;
}

/** Creates a migrated database to copy from; returns its name. */
export async function createTemplate(url: string, migrations: string): Promise<string> {
  const name = await createDatabase(url);
  const db = await openDatabase({ databaseUrl: withDatabase(url, name) });
  try {
    await migrate(db, migrations);
  } finally {
    await db.close();
  }
  return name;
}

/** A fresh copy of `template`; returns its name, which begins with the template's. */
export async function copyDatabase(url: string, template: string): Promise<string> {
  const name = `${template}_${randomBytes(6).toString('hex')}`;
  await asAdmin(url, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return name;
}

/** Drops a template and the copies that workers kept to their end. */
export async function dropTemplate(url: string, template: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [template],
    );
    for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}
