// The configuration: defaults that start, every fault at once, secrets by file.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EnvError, envNames, parseEnv } from '#server/platform/env.ts';
import { loadSecrets } from '#server/platform/secrets.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'chatalot-env-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const faultOf = (source: Record<string, string>): string => {
  try {
    parseEnv(source);
  } catch (cause) {
    if (cause instanceof EnvError) return cause.message;
    throw cause;
  }
  return '';
};

describe('parseEnv', () => {
  it('needs nothing, and takes empty strings for nothing', () => {
    const env = parseEnv({ PORT: '', HOST: '', DATABASE_URL: '', PUBLIC_URL: '', TRUST_PROXY: '' });
    expect(env).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      publicUrl: 'http://localhost:8080',
      trustProxy: [],
    });
    expect(env.databaseUrl).toBeUndefined();
    expect(env.secureCookies).toBe(false);
    expect(env.allowedOrigins).toContain('http://127.0.0.1:8080');
    expect(env.dataDir).toMatch(/^\/.*\/data$/);
  });

  it('reads what is given', () => {
    const env = parseEnv({
      PORT: '9000',
      PUBLIC_URL: 'https://chat.example/',
      ALLOWED_ORIGINS: 'https://a.example, https://b.example:8443',
      TRUST_PROXY: 'loopback, 10.1.2.3, fd00::/8',
    });
    expect(env.allowedOrigins).toEqual([
      'https://chat.example',
      'https://a.example',
      'https://b.example:8443',
    ]);
    expect(env.secureCookies).toBe(true);
    expect(env.trustProxy).toEqual(['127.0.0.0/8', '::1/128', '10.1.2.3/32', 'fd00::/8']);
  });

  it('takes several nodes only with what they must share', () => {
    const shared = { DATABASE_URL: 'postgres://db/chat', PUBLIC_URL: 'https://chat.example' };
    expect(parseEnv({ ...shared, REDIS_URL: 'rediss://:hunter2@cache:6380' }).redisUrl).toMatch(/^rediss:/);
    const message = faultOf({ REDIS_URL: 'redis://:hunter2@cache' });
    expect(message).toMatch(/REDIS_URL: .*PostgreSQL.*DATABASE_URL[\s\S]*REDIS_URL: .*PUBLIC_URL/);
    expect(faultOf({ ...shared, REDIS_URL: 'http://:hunter2@cache' })).toMatch(/REDIS_URL: must be/);
    expect(message).not.toContain('hunter2');
  });

  it('names every fault at once and never a value that is secret', () => {
    const message = faultOf({
      PORT: '70000',
      PUBLIC_URL: 'https://chat.example/path',
      TRUST_PROXY: 'everybody',
      DATABASE_URL: 'mysql://user:hunter2@host/db',
      FRANKING_KEY: 'c2hvcnQ=',
      SETUP_TOKEN_FILE: join(folder, 'missing'),
    });
    for (const name of [
      'PORT',
      'PUBLIC_URL',
      'TRUST_PROXY',
      'DATABASE_URL',
      'FRANKING_KEY',
      'SETUP_TOKEN_FILE',
    ]) {
      expect(message).toContain(name);
    }
    expect(message).not.toContain('hunter2');
    expect(message).not.toContain('c2hvcnQ=');
  });

  it('takes a secret from a file, but not from two places', () => {
    const path = join(folder, 'url');
    writeFileSync(path, 'postgres://db/chatalot\n');
    expect(parseEnv({ DATABASE_URL_FILE: path }).databaseUrl).toBe('postgres://db/chatalot');
    expect(faultOf({ DATABASE_URL_FILE: path, DATABASE_URL: 'postgres://x/y' })).toContain('both set');
    expect(envNames).toContain('DATABASE_URL_FILE');
  });
});

describe('loadSecrets', () => {
  it('makes them once, for the owner alone, and gives the same ever after', async () => {
    const env = { ...parseEnv({}), dataDir: join(folder, 'data') };
    const [first, second] = await Promise.all([loadSecrets(env), loadSecrets(env)]);
    const third = await loadSecrets(env);
    expect(first.frankingKey).toHaveLength(32);
    expect(first.frankingKey).not.toEqual(first.kdfFakeKey);
    for (const other of [second, third]) {
      expect(other.frankingKey).toEqual(first.frankingKey);
      expect(other.jwt.privateKey.equals(first.jwt.privateKey)).toBe(true);
    }
    for (const name of ['jwt-ed25519.pem', 'franking.key', 'kdf-fake.key']) {
      expect(statSync(join(env.dataDir, 'secrets', name)).mode & 0o777).toBe(0o600);
    }
  });

  it('prefers what the configuration gives, and refuses what is damaged', async () => {
    const env = {
      ...parseEnv({ FRANKING_KEY: Buffer.alloc(32, 7).toString('base64') }),
      dataDir: join(folder, 'given'),
    };
    expect((await loadSecrets(env)).frankingKey).toEqual(new Uint8Array(32).fill(7));
    writeFileSync(join(env.dataDir, 'secrets', 'kdf-fake.key'), 'short');
    await expect(loadSecrets(env)).rejects.toThrow('kdf-fake.key is damaged');
  });
});
