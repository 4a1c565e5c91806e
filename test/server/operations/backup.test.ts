// Backup while people write, restore into nothing, compared byte by byte, between both databases; and every way a file
// can be wrong is found before anything is changed.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackupError, readBackup, type BackupManifest } from '#server/operations/backup-format.ts';
import { writeBackup } from '#server/operations/backup.ts';
import { restoreBackup } from '#server/operations/restore.ts';
import { verifyDatabase } from '#server/operations/verify-database.ts';
import type { Database } from '#server/platform/db.ts';
import { loadSecrets } from '#server/platform/secrets.ts';
import type { ChannelId } from '#shared/ids.ts';
import { testDeps, testEnv, type TestDeps } from '#test/support/deps.ts';
import { Pen } from '#test/support/messages.ts';
import { registerPerson, type Person } from '#test/support/people.ts';
import { openEmptyDatabase, openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let test: TestDeps;
let folder: string;
let ada: Person;
let ben: Person;
let channelId: ChannelId;
const migrationsDir = testEnv().migrationsDir;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());
beforeEach(async () => {
  await db.truncate();
  folder = await mkdtemp(join(tmpdir(), 'chatalot-backup-'));
  test = await testDeps(db);
  ada = await registerPerson(test.deps, { units: 4 });
  ben = await registerPerson(test.deps, { units: 4 });
  const { communityId, channels } = await ada.api.communities.create({ name: 'Home \u2028 "\\n" ☕' });
  channelId = channels[0]!.channelId;
  const { code } = await ada.api.invites.create({ communityId });
  await ben.api.invites.accept({ code });
  await ada.api.prekeys.claim({ targets: [{ accountId: ben.accountId, deviceId: ben.deviceId }] });
  return () => rm(folder, { recursive: true, force: true });
});

const path = (name = 'a.backup'): string => join(folder, name);
const backUp = (name?: string, source: Database = db): Promise<BackupManifest> =>
  writeBackup({ db: source, secrets: test.deps.secrets, clock: test.clock }, path(name));
const tablesOf = (manifest: BackupManifest) => manifest.parts.filter(({ name }) => name.startsWith('table/'));
const isAdrift = async (database: Database): Promise<string[]> =>
  (await verifyDatabase(database)).filter((check) => check.wrong !== 0).map((check) => check.name);

async function restoreInto(target: Database, dataDir: string, name?: string): Promise<void> {
  await restoreBackup({ db: target, dataDir, migrationsDir }, path(name));
}

describe('backup and restore', () => {
  it('while people write: one moment of it, byte for byte, and the server’s secrets', async () => {
    const people = [new Pen(ada, channelId), new Pen(ben, channelId)] as const;
    let acknowledged = 0;
    let isOver = false;
    const write = async (person: Person, pen: Pen): Promise<void> => {
      for (let i = 0; !isOver; i++) {
        const message = pen.text(`${i}`);
        await person.api.messages.send(message);
        acknowledged += 1;
        if (i % 5 === 0) await person.api.messages.send(pen.redact(message.eventId));
      }
    };
    const writers = [write(ada, people[0]), write(ben, people[1])];
    await expect.poll(() => acknowledged, { timeout: 30_000 }).toBeGreaterThan(20);
    const before = acknowledged;
    const manifest = await backUp();
    const after = acknowledged;
    await expect.poll(() => acknowledged, { timeout: 30_000 }).toBeGreaterThan(after);
    isOver = true;
    await Promise.all(writers);

    const target = await openEmptyDatabase();
    try {
      await restoreInto(target, folder);
      expect(await isAdrift(target)).toEqual([]);
      const messages = await target.prisma.channelEvent.count({ where: { class: 'message' } });
      expect(messages).toBeGreaterThanOrEqual(before);
      expect(messages).toBeLessThan(acknowledged);
      const again = await backUp('b.backup', target);
      expect(tablesOf(again)).toEqual(tablesOf(manifest));
      expect(tablesOf(manifest).find(({ name }) => name === 'table/ChannelEvent')?.rows).toBeGreaterThan(
        before,
      );
      // What comes next does not collide with what was there.
      await target.query(
        'test.next-packet',
        `INSERT INTO "MailboxPacket" ("deviceId", "senderAccountId", "senderDeviceId", bytes, "createdAt")
         SELECT id, "accountId", id, '\\x00', now() FROM "Device" LIMIT 1`,
      );
      await target.query(
        'test.next-claim',
        `INSERT INTO "PrekeyClaim" ("claimerAccountId", "deviceId", "claimedAt") SELECT "accountId", id, now() FROM "Device" LIMIT 1`,
      );
    } finally {
      await target.close();
    }
    const restored = await loadSecrets(testEnv({ DATA_DIR: folder }));
    expect(restored.frankingKey).toEqual(test.deps.secrets.frankingKey);
    expect(restored.kdfFakeKey).toEqual(test.deps.secrets.kdfFakeKey);
    expect(restored.jwt.privateKey.equals(test.deps.secrets.jwt.privateKey)).toBe(true);
    for (const name of await readdir(join(folder, 'secrets')))
      expect((await stat(join(folder, 'secrets', name))).mode & 0o077).toBe(0);
  }, 300_000);

  it('moves between databases: the same file fills the embedded database on disk, and comes back the same', async () => {
    await ada.api.messages.send(new Pen(ada, channelId).text());
    const manifest = await backUp();
    const embedded = await openEmptyDatabase(join(folder, 'data'));
    try {
      await restoreInto(embedded, join(folder, 'data'));
      expect(embedded.kind).toBe('pglite');
      expect(tablesOf(await backUp('b.backup', embedded))).toEqual(tablesOf(manifest));
    } finally {
      await embedded.close();
    }
    const target = await openEmptyDatabase();
    try {
      await restoreInto(target, join(folder, 'other'), 'b.backup');
      expect(target.kind).toBe(db.kind);
      expect(tablesOf(await backUp('c.backup', target))).toEqual(tablesOf(manifest));
    } finally {
      await target.close();
    }
  }, 300_000);

  it('is for this user alone, never overwrites, and leaves nothing half made', async () => {
    await backUp();
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    await expect(backUp()).rejects.toThrow(/exists/i);
    await writeFile(path('b.backup.part'), 'somebody’s');
    await expect(backUp('b.backup')).rejects.toThrow(/EEXIST/);
    expect(await readFile(path('b.backup.part'), 'utf8')).toBe('somebody’s');
    const broken = { ...db, session: () => Promise.reject(new Error('no database')) } as Database;
    await expect(backUp('c.backup', broken)).rejects.toThrow('no database');
    expect((await readdir(folder)).sort()).toEqual(['a.backup', 'b.backup.part']);
  });
});

describe('a file that is not right', () => {
  const lines = async (): Promise<string[]> =>
    gunzipSync(await readFile(path()))
      .toString()
      .split('\n');
  const store = (text: string, name = 'bad.backup') => writeFile(path(name), gzipSync(text));
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

  it('is refused: other bytes, a row more or less, no end, something after it, no backup at all', async () => {
    await ada.api.messages.send(new Pen(ada, channelId).text());
    await backUp();
    const whole = await lines();
    const row = whole.findIndex((line) => line.startsWith('{') && line.includes('"envelope"'));
    const at = (index: number, ...instead: string[]) => whole.toSpliced(index, 1, ...instead).join('\n');
    const bytes = await readFile(path());
    const flipped = Buffer.from(bytes);
    flipped[bytes.length >> 1]! ^= 1;
    for (const [what, make] of Object.entries({
      'a changed row': () => store(at(row, whole[row]!.replace('"epoch":1', '"epoch":2'))),
      'a row less': () => store(at(row)),
      'a row twice': () => store(at(row, whole[row]!, whole[row]!)),
      'no end': () => store(whole.slice(0, -2).join('\n')),
      'cut in a line': () => store(whole.join('\n').slice(0, -20)),
      'something after the end': () => store(`${whole.join('\n')}{}\n`),
      'a manifest by another': () => store(whole.join('\n').replace(/"rows":1,/, '"rows":2,')),
      'no header': () => store(whole.slice(1).join('\n')),
      'another format': () => store(whole.join('\n').replace('"version":1', '"version":2')),
      'a flipped bit': () => writeFile(path('bad.backup'), flipped),
      'half a file': () => writeFile(path('bad.backup'), bytes.subarray(0, bytes.length >> 1)),
      'no gzip': () => writeFile(path('bad.backup'), 'hello'),
      nothing: () => writeFile(path('bad.backup'), ''),
    })) {
      await make();
      await expect(readBackup(path('bad.backup')), what).rejects.toThrow(BackupError);
    }
    await expect(readBackup(path('none.backup'))).rejects.toThrow('There is no file');
    await expect(readBackup(path())).resolves.toMatchObject({ header: { format: 'chatalot-backup' } });
  });

  it('changes nothing: neither a database nor a folder, whatever is wrong', async () => {
    await backUp();
    const whole = await lines();
    const target = await openEmptyDatabase();
    const data = join(folder, 'data');
    const refuse = async (name: string, message: RegExp, into: Database = target): Promise<void> => {
      await expect(restoreInto(into, data, name)).rejects.toThrow(message);
      await expect(readdir(join(data, 'secrets')).then((found) => found.length)).resolves.toBe(0);
    };
    const [header = ''] = whole;
    try {
      await store(whole.slice(0, -2).join('\n'));
      await expect(restoreInto(target, data, 'bad.backup')).rejects.toThrow('cut off');
      await expect(readdir(data)).rejects.toThrow('ENOENT');
      const newer = header.replace(/\]\}\}$/, ',{"name":"99990101000000_later","checksum":"x"}]}}');
      await store([newer, ...whole.slice(1)].join('\n'));
      await expect(restoreInto(target, data, 'bad.backup')).rejects.toThrow('99990101000000_later');
      // Checked as a file, and yet a row the database refuses: all of it is taken back.
      const at = whole.findIndex((line) => line.startsWith('{"id"') && line.includes('"instanceRole"'));
      const bad = whole.toSpliced(at, 1, whole[at]!.replace(/"id":"[^"]+"/, '"id":"no-uuid"'));
      await store(resealed(bad));
      await refuse('bad.backup', /uuid/);
      expect(await target.prisma.account.count()).toBe(0);
      await restoreInto(target, data);
      await expect(restoreInto(target, data)).rejects.toThrow('not empty');
      expect(await target.prisma.account.count()).toBe(2);
    } finally {
      await target.close();
    }
  }, 180_000);

  /** The same file with a manifest that agrees with its rows again. */
  function resealed(all: readonly string[]): string {
    const body = all.slice(0, -3);
    const { manifest } = JSON.parse(all.at(-3)!.slice(1)) as { manifest: BackupManifest };
    const rowsOf = (name: string): string[] => {
      const from = body.indexOf(`#${JSON.stringify({ part: name })}`) + 1;
      const to = body.findIndex((line, index) => index >= from && line.startsWith('#'));
      return body.slice(from, to === -1 ? undefined : to);
    };
    const parts = manifest.parts.map(({ name }) => {
      const rows = rowsOf(name);
      return { name, rows: rows.length, sha256: sha256(rows.map((row) => `${row}\n`).join('')) };
    });
    const text = JSON.stringify({ manifest: { ...manifest, parts } });
    return [...body, `#${text}`, `#${JSON.stringify({ end: sha256(text) })}`, ''].join('\n');
  }
});

describe('verify', () => {
  it('finds what does not agree in a database', async () => {
    const pen = new Pen(ada, channelId);
    for (let i = 0; i < 3; i++) await ada.api.messages.send(pen.text());
    expect(await isAdrift(db)).toEqual([]);
    const damage: readonly [string, RegExp][] = [
      [`DELETE FROM "ChannelEvent" WHERE seq = 2`, /each seq|from 1 to/],
      [`UPDATE "ChannelEvent" SET envelope = '\\x00' WHERE seq = 3`, /hash/],
      [`UPDATE "ChannelEvent" SET commitment = NULL WHERE seq = 3`, /together/],
      [`UPDATE "ChannelCursor" SET "readSeq" = 99`, /read beyond/],
      [`UPDATE "Community" SET "memberCount" = 7`, /count their members/],
      [
        `DELETE FROM "AccountLogEntry" WHERE seq = (SELECT max(seq) FROM "AccountLogEntry")`,
        /added by an entry/,
      ],
      [`UPDATE "Channel" SET "lastOrdinal" = 9`, /counted from 1/],
    ];
    for (const [sql, expected] of damage) {
      await db.session((session) => session.execute(sql));
      expect(
        (await isAdrift(db)).some((name) => expected.test(name)),
        sql,
      ).toBe(true);
    }
  });
});
