// Codes by time against the vectors of RFC 6238 (appendix B, last six digits), and secrets at rest.
import { describe, expect, it } from 'vitest';
import { seal, unseal } from '#server/platform/sealed.ts';
import { matchTotp, toBase32, totpCode, totpStep, totpUri } from '#server/platform/totp.ts';
import { appCode } from '../../support/totp.ts';

const secret = new TextEncoder().encode('12345678901234567890');
const vectors = [
  [59, '287082'],
  [1111111109, '081804'],
  [1111111111, '050471'],
  [1234567890, '005924'],
  [2000000000, '279037'],
  [20000000000, '353130'],
] as const;

describe('codes by time', () => {
  it.each(vectors)('are those of RFC 6238 at %i s', (seconds, code) => {
    expect(totpCode(secret, totpStep(seconds * 1000))).toBe(code);
    expect(appCode(toBase32(secret), seconds * 1000)).toBe(code);
  });

  it('count one step early or late, never further off, and only after the last that counted', () => {
    const now = 1_234_567_890_000;
    const step = totpStep(now);
    const at = (offset: number, lastStep = 0) =>
      matchTotp(totpCode(secret, step + offset), { secret, lastStep, now });
    expect([-2, -1, 0, 1, 2].map((offset) => at(offset))).toEqual([null, step - 1, step, step + 1, null]);
    expect([-1, 0, 1].map((offset) => at(offset, step))).toEqual([null, null, step + 1]);
    expect(matchTotp('12345', { secret, lastStep: 0, now })).toBeNull();
  });

  it('come with an address authenticator apps read', () => {
    const uri = new URL(totpUri(secret, { issuer: 'Linden Street', name: 'ada' }));
    expect(uri.protocol).toBe('otpauth:');
    expect(decodeURIComponent(uri.pathname)).toMatch(/Linden Street:ada$/);
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
      issuer: 'Linden Street',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
  });
});

describe('sealed secrets', () => {
  const key = new Uint8Array(32).fill(3);

  it('open for what they belong to, under the same key', () => {
    const sealed = seal(key, secret, 'ada');
    expect(unseal(key, sealed, 'ada')).toEqual(secret);
    expect(unseal(key, sealed, 'eve')).toBeNull();
    expect(unseal(new Uint8Array(32).fill(4), sealed, 'ada')).toBeNull();
    expect(Buffer.from(sealed).includes(Buffer.from(secret))).toBe(false);
  });

  it('refuse any change of a byte and any cut', () => {
    const sealed = seal(key, secret, 'ada');
    for (let i = 0; i < sealed.length; i += 1) {
      const bent = sealed.with(i, (sealed[i] ?? 0) ^ 1);
      expect(unseal(key, bent, 'ada')).toBeNull();
      expect(unseal(key, sealed.subarray(0, i), 'ada')).toBeNull();
    }
  });
});
