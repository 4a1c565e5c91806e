// npm run db:diff: fails when prisma/models says something no migration builds.
import { pendingSql } from './lib/schema-diff.mjs';

const sql = await pendingSql();
if (sql === '') {
  console.log('Schema and migrations agree.');
} else {
  console.error(`The schema is ahead of the migrations. Run: npm run db:migrate -- <name>\n\n${sql}`);
  process.exitCode = 1;
}
