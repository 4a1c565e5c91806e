// Access tokens, refresh tokens and stored login secrets.
import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { uuidv7 } from '#server/platform/ids.ts';
import { hashLoginSecret, verifyLoginSecret } from '#server/platform/password.ts';
import { ACCESS_TOKEN_MS, AccessTokens, hashRefreshToken, newRefreshToken } from '#server/platform/tokens.ts';
import { accountIdSchema, deviceIdSchema, sessionIdSchema } from '#shared/ids.ts';
import { manualClock } from '#test/support/clock.ts';

const subject = {
  accountId: accountIdSchema.parse('018f7e66-0000-7000-8000-000000000001'),
  sessionId: sessionIdSchema.parse('018f7e66-0000-7000-8000-000000000002'),
  deviceId: deviceIdSchema.parse('018f7e66-0000-7000-8000-000000000003'),
};

function setUp() {
  const clock = manualClock();
  const jwt = generateKeyPairSync('ed25519');
  return { clock, jwt, tokens: new AccessTokens({ jwt, issuer: 'https://chat.example', clock }) };
}

describe('access tokens', () => {
  it('come back as they went, with and without a device, until they expire', async () => {
    const { clock, tokens } = setUp();
    const token = await tokens.sign(subject);
    expect(await tokens.verify(token)).toEqual({ ...subject, expiresAt: clock.now() + ACCESS_TOKEN_MS });
    const bare = await tokens.verify(await tokens.sign({ ...subject, deviceId: null }));
    expect(bare?.deviceId).toBeNull();
    clock.advance(ACCESS_TOKEN_MS - 1000);
    expect(await tokens.verify(token)).not.toBeNull();
    clock.advance(1000);
    expect(await tokens.verify(token)).toBeNull();
  });

  it('are refused when altered, foreign, unsigned or signed otherwise', async () => {
    const { clock, jwt, tokens } = setUp();
    const token = await tokens.sign(subject);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const altered = Buffer.from(payload, 'base64url').toString().replace('000001', '000009');
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
    const foreign = new AccessTokens({ jwt, issuer: 'https://other.example', clock });
    const strange = setUp().tokens;
    const mac = new SignJWT({ sid: subject.sessionId }).setSubject(subject.accountId).setExpirationTime('1h');
    const refused = [
      '',
      'x',
      `${header}.${Buffer.from(altered).toString('base64url')}.${signature}`,
      `${unsigned}.${payload}.`,
      await foreign.sign(subject),
      await strange.sign(subject),
      await mac
        .setProtectedHeader({ alg: 'HS256' })
        .sign(jwt.publicKey.export({ type: 'spki', format: 'der' })),
    ];
    for (const each of refused) expect(await tokens.verify(each)).toBeNull();
  });
});

describe('refresh tokens', () => {
  it('are random and stored by their hash alone', () => {
    const one = newRefreshToken();
    expect(one.token).toMatch(/^[\w-]{43}$/);
    expect(one.token).not.toBe(newRefreshToken().token);
    expect(hashRefreshToken(one.token)).toEqual(one.hash);
    expect(one.hash).toHaveLength(32);
  });
});

describe('login secrets', () => {
  const secret = new Uint8Array(32).fill(5);

  it('verify against their own hash only', async () => {
    const stored = await hashLoginSecret(secret);
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await verifyLoginSecret(stored, secret)).toBe(true);
    expect(await verifyLoginSecret(stored, new Uint8Array(32))).toBe(false);
    expect(await verifyLoginSecret('damaged', secret)).toBe(false);
  });

  it('of nobody are never right and cost the same work', async () => {
    const stored = await hashLoginSecret(secret);
    await verifyLoginSecret(null, secret);
    const timed = async (reference: string | null): Promise<number> => {
      const startedAt = process.cpuUsage().user;
      for (let i = 0; i < 5; i++) await verifyLoginSecret(reference, new Uint8Array(32));
      return process.cpuUsage().user - startedAt;
    };
    const ratio = (await timed(null)) / (await timed(stored));
    expect(await verifyLoginSecret(null, secret)).toBe(false);
    expect(ratio).toBeGreaterThan(0.4);
    expect(ratio).toBeLessThan(2.5);
  });

  it('are all answered when many ask at once', async () => {
    const stored = await hashLoginSecret(secret);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => verifyLoginSecret(stored, n % 2 ? secret : new Uint8Array(32))),
    );
    expect(answers).toEqual(Array.from({ length: 12 }, (_, n) => n % 2 === 1));
  });
});

describe('uuidv7', () => {
  it('is well formed, unique and in order, even when the clock stands or steps back', () => {
    const clock = manualClock();
    const made = Array.from({ length: 10_000 }, (_, n) => {
      if (n === 5_000) clock.advance(-60_000);
      return uuidv7(clock);
    });
    expect(made[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(made).size).toBe(made.length);
    expect([...made].sort()).toEqual(made);
  });
});
