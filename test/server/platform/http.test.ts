// The HTTP application: headers, health, what is compressed, which path answers what, what is logged.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttpApp, isAllowedOrigin } from '#server/platform/http.ts';
import { createLogger } from '#server/platform/log.ts';
import { registerStatic } from '#server/platform/static.ts';

let app: FastifyInstance;
let folder: string;
let isReady = true;
const lines: string[] = [];
const origin = 'https://chat.example';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'chatalot-client-'));
  mkdirSync(join(folder, 'assets'));
  const script = 'console.log(1);'.repeat(500);
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>page</title>');
  for (const name of ['assets/index-abc.js', 'assets/crypto.worker-1a2b.js', 'sw.js']) {
    writeFileSync(join(folder, name), script);
  }
  writeFileSync(join(folder, '.hidden'), 'no');
  app = await createHttpApp({
    env: { allowedOrigins: [origin], secureCookies: true },
    log: createLogger({ logLevel: 'debug' }, { write: (line) => void lines.push(line) }),
    ready: async () => ({ database: isReady }),
  });
  app.get('/trpc/secret', async () => ({ token: 's'.repeat(5_000) }));
  app.get('/trpc/fail', async () => {
    throw new Error('the text of a message');
  });
  app.post('/trpc/body', async () => ({}));
  await registerStatic(app, folder);
});
afterAll(async () => {
  await app.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });

describe('http application', () => {
  it('answers health', async () => {
    expect((await get('/health/live')).statusCode).toBe(200);
    expect((await get('/health/ready')).json()).toEqual({ status: 'ok', checks: { database: true } });
    isReady = false;
    expect((await get('/health/ready')).statusCode).toBe(503);
    isReady = true;
  });

  it('sets the security headers everywhere', async () => {
    for (const url of ['/', '/health/live', '/trpc/secret', '/nothing.png']) {
      const { headers } = await get(url);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['x-frame-options']).toBe('DENY');
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(headers['strict-transport-security']).toContain('max-age=31536000');
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(headers['x-powered-by']).toBeUndefined();
    }
    expect((await get('/trpc/secret')).headers['cache-control']).toBe('no-store');
  });

  it('lets only allowed origins read answers', async () => {
    const own = await get('/health/live', { origin });
    expect(own.headers['access-control-allow-origin']).toBe(origin);
    const other = await get('/health/live', { origin: 'https://evil.example' });
    expect(other.headers['access-control-allow-origin']).toBeUndefined();
    expect(isAllowedOrigin(undefined, [origin])).toBe(false);
    expect(isAllowedOrigin(`${origin}.evil.example`, [origin])).toBe(false);
  });

  it('compresses files, never answers that may hold secrets', async () => {
    const accept = { 'accept-encoding': 'br, gzip' };
    expect((await get('/assets/index-abc.js', accept)).headers['content-encoding']).toBe('br');
    expect((await get('/trpc/secret', accept)).headers['content-encoding']).toBeUndefined();
  });

  it('bounds bodies and hides what failed, in the answer and in the log', async () => {
    const tooLarge = await app.inject({
      method: 'POST',
      url: '/trpc/body',
      headers: { 'content-type': 'application/json' },
      payload: `"${'x'.repeat(10 * 1024 * 1024)}"`,
    });
    expect(tooLarge.statusCode).toBe(413);
    const failed = await get('/trpc/fail?secret=in-the-path');
    expect(failed.statusCode).toBe(500);
    expect(failed.json()).toMatchObject({ error: 'internal' });
    const log = lines.join('\n');
    expect(log).toContain('http.failed');
    expect(failed.body + log).not.toContain('the text of a message');
    expect(log).not.toContain('in-the-path');
  });
});

describe('static client', () => {
  it.each(['/', '/c/1/2', '/invite/abc?x=1', '/setup'])(
    'serves the page for %s, never from a cache unasked',
    async (url) => {
      const page = await get(url);
      expect(page.statusCode).toBe(200);
      expect(page.body).toContain('<title>page</title>');
      expect(page.headers['cache-control']).toBe('no-cache');
      const policy = String(page.headers['content-security-policy']);
      expect(policy).toContain("script-src 'self';");
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).not.toMatch(/unsafe|https?:/);
    },
  );

  it('serves hashed files for ever, others checked each time', async () => {
    expect((await get('/assets/index-abc.js')).headers['cache-control']).toBe(
      'public, max-age=31536000, immutable',
    );
    expect((await get('/sw.js')).headers['cache-control']).toBe('no-cache');
  });

  it("allows WebAssembly in the worker's own response only", async () => {
    const policyOf = async (url: string) => String((await get(url)).headers['content-security-policy']);
    expect(await policyOf('/assets/crypto.worker-1a2b.js')).toContain("'wasm-unsafe-eval'");
    for (const url of ['/', '/assets/index-abc.js', '/sw.js'])
      expect(await policyOf(url)).not.toContain('wasm');
  });

  it.each([
    '/nothing.js',
    '/assets/gone',
    '/trpc/unknown',
    '/health/other',
    '/.hidden',
    '/..%2f..%2fetc%2fpasswd',
  ])('answers 404 for %s', async (url) => {
    const answer = await get(url);
    expect(answer.statusCode).toBe(404);
    expect(answer.body).not.toContain('page');
  });

  it('answers 404 to anything but reading', async () => {
    expect((await app.inject({ method: 'POST', url: '/c/1' })).statusCode).toBe(404);
  });
});
