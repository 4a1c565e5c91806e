// What the outbox makes of every answer, and how often it tries: decided without a server, an engine or a clock.
import { TRPCClientError } from '@trpc/client';
import { describe, expect, it } from 'vitest';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import {
  afterRetry,
  hasTries,
  stepAfter,
  UNTRIED,
  type Patience,
  type Retry,
} from '#client/sync/outbox-steps.ts';
import type { AppErrorPayload } from '#shared/errors.ts';
import { limits } from '#shared/limits.ts';

const answer = (app: AppErrorPayload): Error =>
  TRPCClientError.from({ error: { message: '', code: -32603, data: { app } } });

describe('what an answer means', () => {
  it.each<[string, unknown, unknown]>([
    ['no answer', new TypeError('network'), { kind: 'paused' }],
    ['the server stops', answer({ code: 'draining' }), { kind: 'paused' }],
    ['a worn-out token', answer({ code: 'unauthenticated' }), { kind: 'paused' }],
    ['a new epoch', answer({ code: 'stale_epoch', epoch: 7 }), { kind: 'again', why: 'stale_epoch' }],
    [
      'other devices',
      answer({ code: 'stale_devices', missing: [], gone: [] }),
      { kind: 'again', why: 'stale_devices' },
    ],
    ['arrived in another form', answer({ code: 'conflict', what: 'eventId' }), { kind: 'known' }],
    ['sent by another tab', new CryptoCallError('replay'), { kind: 'known' }],
    ['another tab is at it', new CryptoCallError('not_allowed'), { kind: 'busy' }],
    ['other keys', new CryptoCallError('identity_reset'), { kind: 'refused', failure: 'identity_changed' }],
    ['an engine that cannot', new CryptoCallError('keys'), { kind: 'refused', failure: 'not_encrypted' }],
    [
      'no permission',
      answer({ code: 'forbidden', reason: 'permission' }),
      { kind: 'refused', failure: 'forbidden' },
    ],
  ])('%s', (_what, error, step) => expect(stepAfter(error)).toEqual(step));

  it('what is only too fast is waited for as long as the server says, and does not count', () => {
    for (const code of ['rate_limited', 'slow_mode'] as const) {
      const step = stepAfter(answer({ code, retryAfterMs: 4321 }));
      expect(step).toEqual({ kind: 'later', waitMs: 4321, counts: false });
      expect(afterRetry(UNTRIED, step as Retry)).toEqual({ waitMs: 4321, patience: UNTRIED });
    }
  });
});

/** The waits until the tries are used up, ms; at most `most` of them. */
function waits(step: Retry, most = 2000): (number | null)[] {
  const seen: (number | null)[] = [];
  for (let patience: Patience = UNTRIED; hasTries(patience) && seen.length < most;) {
    const next = afterRetry(patience, step);
    seen.push(next.waitMs);
    ({ patience } = next);
  }
  return seen;
}
const sum = (waited: readonly (number | null)[]): number =>
  waited.reduce<number>((a, ms) => a + (ms ?? 0), 0);

describe('how often it is tried', () => {
  it('four times at once where the epoch keeps moving', () => {
    expect(waits({ kind: 'again', why: 'stale_epoch' })).toEqual([null, null, null, null]);
  });

  it('four times where the server fails, with a pause', () => {
    const step = stepAfter(answer({ code: 'internal', requestId: 'r' }));
    expect(waits(step as Retry)).toEqual([2000, 2000, 2000, 2000]);
  });

  it('as long as a device may take to be added, in growing steps, then four times more', () => {
    const waited = waits({ kind: 'again', why: 'stale_devices' });
    expect(waited.slice(0, 8)).toEqual([0, 250, 500, 1000, 2000, 4000, 8000, 10_000]);
    expect(waited.slice(-4)).toEqual([null, null, null, null]);
    expect(waited.slice(0, -4).every((ms) => ms !== null && ms <= 10_000)).toBe(true);
    expect(sum(waited)).toBeGreaterThanOrEqual(limits.newDeviceMs + 60_000);
    expect(sum(waited)).toBeLessThan(limits.newDeviceMs + 70_000);
  });

  it('as long for another tab, second by second', () => {
    const waited = waits({ kind: 'busy' });
    expect(new Set(waited)).toEqual(new Set([1000]));
    expect(sum(waited)).toBe(limits.newDeviceMs + 60_000 + 3000);
  });

  it('patience shown to one cause counts for the other', () => {
    const shown: Patience = { tries: 0, waitedMs: limits.newDeviceMs + 60_000, nextMs: 0 };
    const { waitMs, patience } = afterRetry(shown, { kind: 'again', why: 'stale_devices' });
    expect([waitMs, patience.tries]).toEqual([null, 1]);
    expect(afterRetry(shown, { kind: 'busy' }).patience.tries).toBe(1);
  });
});
