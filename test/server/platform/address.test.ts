// Client addresses, keys for limits, and the token buckets they fill.
import { describe, expect, it } from 'vitest';
import { addressKey, clientAddress } from '#server/platform/address.ts';
import { RateLimiter } from '#server/platform/rate-limit.ts';
import { manualClock } from '#test/support/clock.ts';

const from = (remoteAddress: string, forwarded?: string) => ({
  remoteAddress,
  headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
});
const trusted = ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8'];

describe('clientAddress', () => {
  it.each([
    { name: 'peer without proxy', source: from('203.0.113.9'), proxies: [], expected: '203.0.113.9' },
    {
      name: 'headers of a stranger',
      source: from('203.0.113.9', '1.2.3.4'),
      proxies: trusted,
      expected: '203.0.113.9',
    },
    {
      name: 'headers when nobody is trusted',
      source: from('127.0.0.1', '1.2.3.4'),
      proxies: [],
      expected: '127.0.0.1',
    },
    { name: 'behind one proxy', source: from('127.0.0.1', '1.2.3.4'), proxies: trusted, expected: '1.2.3.4' },
    {
      name: 'forged left part',
      source: from('127.0.0.1', '6.6.6.6, 1.2.3.4'),
      proxies: trusted,
      expected: '1.2.3.4',
    },
    {
      name: 'behind two proxies',
      source: from('::ffff:127.0.0.1', '1.2.3.4, 10.0.0.7'),
      proxies: trusted,
      expected: '1.2.3.4',
    },
    {
      name: 'IPv6 with port',
      source: from('fd00::1', '[2001:db8::1]:443'),
      proxies: trusted,
      expected: '2001:db8::1',
    },
    { name: 'IPv4 with port', source: from('127.0.0.1', '1.2.3.4:5'), proxies: trusted, expected: '1.2.3.4' },
    {
      name: 'unreadable hop',
      source: from('127.0.0.1', '1.2.3.4, unknown'),
      proxies: trusted,
      expected: '127.0.0.1',
    },
    { name: 'no header', source: from('127.0.0.1'), proxies: trusted, expected: '127.0.0.1' },
  ])('$name', ({ source, proxies, expected }) => {
    expect(clientAddress(source, proxies)).toBe(expected);
  });

  it('keeps one key per IPv4 address and per IPv6 /64', () => {
    expect(addressKey('1.2.3.4')).toBe('1.2.3.4');
    expect(addressKey('::ffff:1.2.3.4')).toBe('1.2.3.4');
    const key = addressKey('2001:db8:0:1::5');
    expect(addressKey('2001:0db8:0000:0001:ffff::1')).toBe(key);
    expect(addressKey('2001:db8::5')).not.toBe(key);
    expect(addressKey('fe80::1%eth0')).toBe(addressKey('fe80::2'));
  });
});

describe('RateLimiter', () => {
  const setUp = () => {
    const clock = manualClock();
    return { clock, limiter: new RateLimiter({ send: { burst: 10, perSecond: 5 } }, clock) };
  };

  it('allows the burst, then the rate, per key', async () => {
    const { clock, limiter } = setUp();
    const take = async (key: string) => (await limiter.take('send', key)).allowed;
    for (let n = 0; n < 10; n++) expect(await take('a')).toBe(true);
    expect(await limiter.take('send', 'a')).toEqual({ allowed: false, retryAfterMs: 200 });
    expect(await take('b')).toBe(true);
    clock.advance(199);
    expect(await take('a')).toBe(false);
    clock.advance(1);
    expect(await take('a')).toBe(true);
    expect(await take('a')).toBe(false);
    clock.advance(60_000);
    for (let n = 0; n < 10; n++) expect(await take('a')).toBe(true);
    expect(await take('a')).toBe(false);
  });

  it('is not fooled by a clock that steps back, nor by many keys', async () => {
    const { clock, limiter } = setUp();
    for (let n = 0; n < 10; n++) await limiter.take('send', 'a');
    clock.advance(-3_600_000);
    expect((await limiter.take('send', 'a')).allowed).toBe(false);
    // Ten thousands of names that all must be remembered: each is as cheap as the first (this took minutes when each was a sweep).
    for (let n = 0; n < 100_000; n++) await limiter.take('send', `k${n}`);
    expect((await limiter.take('send', 'a')).allowed).toBe(false);
    expect(await limiter.take('send', 'costly', 12)).toMatchObject({ allowed: false, retryAfterMs: 400 });
  });
});
