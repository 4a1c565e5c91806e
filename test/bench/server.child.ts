// Our server for a benchmark: the real app on the embedded database with real syncs, a community whose members read
// one channel, and a signed-in session per member. Token buckets are wide open; nothing else is different.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '#server/app.ts';
import { systemClock } from '#server/platform/clock.ts';
import { openDatabase, type Database } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';
import { loadSecrets } from '#server/platform/secrets.ts';
import { roomyRates, testEnv, testLogger } from '#test/support/deps.ts';
import { Pen, type Sealed } from '#test/support/messages.ts';
import { registerPerson } from '#test/support/people.ts';
import { ownSeconds, serveParent, type Cpu } from './child.ts';
import { processSeconds, threadIds, threadSeconds } from './cpu.ts';

export interface ServerReady {
  readonly port: number;
  readonly origin: string;
  readonly channelId: string;
  readonly tokens: readonly string[];
  /** Sealed sends of the first member, ready to be posted in order. */
  readonly sends: readonly Pick<Sealed, 'eventId' | 'envelope'>[];
  readonly database: string;
}

/**
 * The embedded database is a thread of this process: of those started with it, the one that has worked most.
 * PostgreSQL is processes beside it (on this machine), whose time is added.
 */
async function databaseMeter(database: Database): Promise<() => Cpu> {
  if (database.kind === 'pglite') {
    const started = threadIds().filter((id) => !threadsBefore.has(id));
    const [busiest = ''] = started.sort((a, b) => threadSeconds(b) - threadSeconds(a));
    return () => ({ total: ownSeconds(), database: threadSeconds(busiest) });
  }
  const sql = 'SELECT pid FROM pg_stat_activity';
  const rows = await database.session((session) => session.rows<{ pid: number }>(sql));
  return () => {
    const spent = rows.reduce((sum, { pid }) => sum + processSeconds(pid), 0);
    return { total: ownSeconds() + spent, database: spent };
  };
}

const [people = '1', sends = '1', textBytes = '200'] = process.argv.slice(2);
const dataDir = mkdtempSync(join(tmpdir(), 'chatalot-bench-'));
const env = testEnv({ DATA_DIR: dataDir });
const databaseUrl = process.env['DATABASE_URL'];
process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }));
const threadsBefore = new Set(threadIds());
const db = await openDatabase({ dataDir, ...(databaseUrl ? { databaseUrl } : {}) });
await migrate(db, env.migrationsDir);
const secrets = await loadSecrets(env);
const app = await createApp({ env, log: testLogger, clock: systemClock, db, secrets, rates: roomyRates });

const owner = await registerPerson(app.deps);
const community = await owner.api.communities.create({ name: 'Bench' });
const { communityId } = community;
const channelId = community.channels[0]!.channelId;
const { code } = await owner.api.invites.create({ communityId });
const members = [owner];
while (members.length < Number(people)) {
  const member = await registerPerson(app.deps);
  await member.api.invites.accept({ code });
  members.push(member);
}
const { epoch } = await owner.api.channels.readers({ channelId });
const pen = new Pen(owner, channelId, epoch);
const text = 'x'.repeat(Number(textBytes));
const sealed = Array.from({ length: Number(sends) }, (_, at) => {
  // A chain holds 1,000 messages: long runs take several.
  if (at > 0 && at % 900 === 0) pen.rotate(epoch);
  return pen.text(text);
});
const tokens = await Promise.all(members.map((member) => app.deps.tokens.sign(member.actor)));
const port = await app.listen();
const ready = {
  port,
  origin: env.publicUrl,
  channelId,
  tokens,
  sends: sealed,
  database: db.kind,
} satisfies ServerReady;
serveParent(ready, await databaseMeter(db));
