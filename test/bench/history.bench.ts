// history: a million operations (sends, acknowledgements, sightings) on the real write path with real syncs, judged by
// test/support/history.ts. BENCH_OPERATIONS sets how many; DATABASE_URL runs it on PostgreSQL.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';
import { systemClock } from '#server/platform/clock.ts';
import { testDeps, testEnv } from '#test/support/deps.ts';
import { finishHistory, historyRun } from '#test/support/history-run.ts';
import { registerPerson } from '#test/support/people.ts';
import { seeded } from '#test/support/random.ts';
import { printResult } from './result.ts';

const operations = Number(process.env['BENCH_OPERATIONS'] ?? 1_000_000);
const seed = Number(process.env['BENCH_SEED'] ?? 1);
const databaseUrl = process.env['DATABASE_URL'];
const readers = 24;

const dataDir = mkdtempSync(join(tmpdir(), 'chatalot-history-'));
const db = await openDatabase({ dataDir, ...(databaseUrl ? { databaseUrl } : {}) });
try {
  await migrate(db, testEnv().migrationsDir);
  const { deps, events } = await testDeps(db, { clock: systemClock });
  const owner = await registerPerson(deps);
  const community = await owner.api.communities.create({ name: 'History' });
  const { communityId } = community;
  const groupId = community.channels[0]?.groupId as never;
  const channelIds = community.channels.map(({ channelId }) => channelId);
  while (channelIds.length < 4) {
    const name = `room-${channelIds.length}`;
    channelIds.push((await owner.api.channels.create({ communityId, groupId, name })).channelId);
  }
  const { code } = await owner.api.invites.create({ communityId });
  const people = [owner];
  while (people.length < readers) {
    const person = await registerPerson(deps);
    await person.api.invites.accept({ code });
    people.push(person);
  }
  events.clear();
  const began = performance.now();
  const onProgress = (done: number): void => console.error(`${done} operations`);
  const report = await historyRun({
    deps,
    events,
    people,
    channelIds,
    operations,
    random: seeded(seed),
    onProgress,
  });
  await finishHistory(report, owner, channelIds);
  printResult({
    bench: 'history',
    database: db.kind,
    recorded: report.operations,
    sent: report.sent,
    repeated: report.repeated,
    findings: report.findings.length,
    firstFindings: report.findings.slice(0, 3),
    seconds: Math.round((performance.now() - began) / 1000),
  });
} finally {
  await db.close();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(0);
