// The command line as an operator types it, against a server process with its embedded database on disk, and its door
// against strangers.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTRPCClient, httpBatchLink } from '@trpc/client';
import superjson from 'superjson';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { findServer } from '#server/operations/admin-client.ts';
import { adminFile, startAdminServer, type AdminAddress } from '#server/operations/admin-server.ts';
import { CommandError, runCommand, type Command } from '#server/operations/commands.ts';
import type { AppRouter } from '#server/router.ts';
import { caller, refusal, testDeps, testEnv, type TestDeps } from '#test/support/deps.ts';
import { makeIdentity, nextPassword, registration } from '#test/support/keys.ts';
import { registerPerson, type Person } from '#test/support/people.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

const setupToken = 'cli-setup-token-0123456789';

describe('commands', () => {
  let db: TestDatabase;
  let test: TestDeps;
  let ada: Person;
  let folder: string;
  const run = (command: Command) => runCommand(test.deps, command);

  beforeAll(async () => {
    db = await openTestDatabase();
  });
  afterAll(() => db.close());
  beforeEach(async () => {
    await db.truncate();
    folder = await mkdtemp(join(tmpdir(), 'chatalot-door-'));
    test = await testDeps(db, { env: testEnv({ DATA_DIR: folder }) });
    ada = await registerPerson(test.deps, { username: 'ada' });
    return () => rm(folder, { recursive: true, force: true });
  });

  it('suspend and unsuspend: sessions end, sockets close, nothing can be done; the owner is beyond it', async () => {
    const ben = await registerPerson(test.deps, { username: 'ben' });
    await run({ command: 'user suspend', username: 'Ben' });
    expect(test.events.argsOf('closeAccount')).toEqual([[ben.accountId]]);
    expect(test.events.argsOf('closeSession')).toEqual([[ben.actor.sessionId]]);
    expect(await refusal(ben.api.communities.create({ name: 'x' }))).toMatchObject({ reason: 'suspended' });
    expect((await run({ command: 'user show', username: 'ben' })).lines.join()).toContain('suspended since');
    await run({ command: 'user unsuspend', username: 'ben' });
    await ben.api.communities.create({ name: 'x' });
    for (const command of ['user suspend', 'user unsuspend'] as const)
      await expect(run({ command, username: 'ada' })).rejects.toThrow('owner of the instance');
    await expect(run({ command: 'user suspend', username: 'nobody' })).rejects.toThrow(CommandError);
  });

  it('reset-password prints a link that sets a new one once, and says that it opens no keys', async () => {
    const ben = await registerPerson(test.deps, { username: 'ben' });
    const { lines } = await run({ command: 'user reset-password', username: 'ben' });
    const code = lines[0]!.split('#')[1]!;
    expect(lines[0]).toBe(`http://localhost:8080/reset#${code}`);
    expect(lines.join(' ')).toMatch(/once, within 24 hours.*opens no keys/s);
    const { kdf, newLoginSecret } = nextPassword(ben, ben.vault);
    const input = { code, kdf, newLoginSecret };
    expect((await caller(test.deps, null).auth.resetPassword(input)).username).toBe('ben');
    expect(await refusal(caller(test.deps, null).auth.resetPassword(input))).toEqual({
      code: 'reset_invalid',
    });
    await expect(run({ command: 'user reset-password', username: 'nobody' })).rejects.toThrow(
      'nobody of that name',
    );
  });

  it('roles, lists, invites in the name of the community’s owner, and verify', async () => {
    await registerPerson(test.deps, { username: 'ben' });
    await run({ command: 'user role', username: 'ben', role: 'admin' });
    const all = await run({ command: 'user list', search: '' });
    expect(all.lines.map((line) => line.split(/\s+/)[0])).toEqual(['ada', 'ben']);
    expect(all.lines[1]).toContain('[admin');
    expect((await run({ command: 'user list', search: 'BE' })).lines).toHaveLength(1);
    const { communityId } = await ada.api.communities.create({ name: 'Home' });
    const made = await run({ command: 'invite create', community: 'Home', uses: 1, days: 2 });
    const code = made.lines[0]!.split('/').at(-1)!;
    expect(made.lines[0]).toBe(`http://localhost:8080/invite/${code}`);
    expect((await run({ command: 'invite list', community: communityId })).lines[0]).toMatch(
      /used 0 of 1, until 20/,
    );
    await run({ command: 'invite revoke', code });
    expect((await run({ command: 'invite list', community: communityId })).lines).toEqual([]);
    await ada.api.communities.create({ name: 'Home' });
    await expect(run({ command: 'invite list', community: 'Home' })).rejects.toThrow('by its id');
    await expect(run({ command: 'invite list', community: 'Away' })).rejects.toThrow('no community');
    expect((await run({ command: 'verify' })).isGood).toBe(true);
    await db.session((session) => session.execute(`UPDATE "Community" SET "memberCount" = 5`));
    expect((await run({ command: 'verify' })).isGood).toBe(false);
  });

  it('come through the door of a running server with the token of its folder alone', async () => {
    const door = await startAdminServer(test.deps);
    const { port, token } = JSON.parse(await readFile(adminFile(folder), 'utf8')) as AdminAddress;
    try {
      expect((await stat(adminFile(folder))).mode & 0o777).toBe(0o600);
      const call = (path: string, headers: Record<string, string>, body = '{"command":"user list"}') =>
        fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body });
      for (const path of ['/command', '/backup', '/alive/x']) {
        expect((await call(path, {})).status).toBe(401);
        expect((await call(path, { authorization: `Bearer ${token}x` })).status).toBe(401);
      }
      const mine = { authorization: `Bearer ${token}` };
      expect((await call('/command', mine)).status).toBe(200);
      for (const bad of [
        '',
        '{}',
        '{"command":"drop"}',
        `{"command":"user show","username":"${'x'.repeat(99)}"}`,
      ])
        expect((await call('/command', mine, bad)).status).toBe(400);
      expect((await call('/command', mine, 'x'.repeat(70_000))).status).toBe(400);
      const server = await findServer(folder);
      expect((await server!.run({ command: 'user list', search: '' })).lines).toHaveLength(1);
      await expect(server!.run({ command: 'user show', username: 'x' })).rejects.toThrow(
        'nobody of that name',
      );
      expect((await server!.backUp(join(folder, 'a.backup'))).parts.length).toBeGreaterThan(10);
      expect(await readdir(join(folder, 'spool'))).toEqual([]);
      await expect(server!.backUp(join(folder, 'a.backup'))).rejects.toThrow('exists already');
    } finally {
      await door.close();
    }
    expect(await findServer(folder)).toBeNull();
    await writeFile(adminFile(folder), JSON.stringify({ port, token }));
    expect(await findServer(folder)).toBeNull();
  });
});

// It brings its own database on disk: once is enough where the suite runs on both.
describe.runIf(inject('testDatabase').kind === 'pglite')('the process', () => {
  let home: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'chatalot-cli-'));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  function start(script: string, args: readonly string[], env: Record<string, string>) {
    const child = spawn(process.execPath, ['--import', 'tsx', `src/server/${script}`, ...args], {
      env: { PATH: process.env['PATH'], PORT: '0', CLIENT_DIR: home, ...env },
    });
    children.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    return { child, exited, output: () => text };
  }

  async function chatalot(
    dataDir: string,
    ...args: string[]
  ): Promise<{ code: number | null; output: string }> {
    const running = start('operations/chatalot.process.ts', args, { DATA_DIR: join(home, dataDir) });
    const code = await running.exited;
    return { code, output: running.output() };
  }

  it('backs up a running server, restores it elsewhere, checks it, and says what it does not understand', async () => {
    const server = start('main.ts', [], { DATA_DIR: join(home, 'a'), SETUP_TOKEN: setupToken });
    await expect.poll(server.output, { timeout: 240_000, interval: 200 }).toMatch(/listens on [^:]+:\d+/);
    const port = Number(/listens on [^:]+:(\d+)/.exec(server.output())?.[1]);
    const api = createTRPCClient<AppRouter>({
      links: [httpBatchLink({ url: `http://127.0.0.1:${port}/trpc`, transformer: superjson })],
    });
    const setup = { setup: { token: setupToken } };
    await api.auth.register.mutate({ ...registration(makeIdentity(), 'ada'), ...setup });

    const file = join(home, 'chatalot.backup');
    const backup = await chatalot('a', 'backup', file);
    expect(backup.code, backup.output).toBe(0);
    expect(backup.output).toContain('SECRETS');
    server.child.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    expect((await readdir(join(home, 'a'))).sort()).not.toContain('admin.json');

    const restored = await chatalot('b', 'restore', file);
    expect(restored.code, restored.output).toBe(0);
    expect((await chatalot('b', 'user', 'list')).output).toMatch(/^ada /);
    const doctor = await chatalot('b', 'doctor');
    expect(doctor.code, doctor.output).toBe(0);
    expect(doctor.output).toContain('all migrations are applied');
    const misspelt = await chatalot('b', 'user', 'lsit');
    expect(misspelt.code).toBe(2);
    expect(misspelt.output).not.toContain('    at ');
  }, 600_000);
});
