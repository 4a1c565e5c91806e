// Depletion of one-time keys, the device's half: the limits on claims are the server's (test/server/prekeys, A29).
import { describe, expect, it } from 'vitest';
import { utf8 } from '#crypto/bytes.ts';
import { MAX_ONE_TIME_UNITS, ONE_TIME_REFILL_AT } from '#crypto/constants.ts';
import { generateDevice } from '#crypto/device.ts';
import { randomId } from '#crypto/ids.ts';
import {
  confirmPrekeyUpload,
  consumeOneTimeUnit,
  EMPTY_PREKEY_RECORD,
  makePrekeySet,
  prekeyDuty,
  requirePrekeySecrets,
} from '#crypto/prekey-store.ts';
import { seededRng } from '#crypto/seeded-rng.ts';

const now = 1_800_000_000_000;

describe('depletion', () => {
  it('A29 a drained device refills at once, keeps the drained set answering, and never gives a unit twice', () => {
    const rng = seededRng(utf8('depletion'));
    const made = { aid: rng.bytes(32), deviceId: randomId(rng), kind: 'full', createdAt: now } as const;
    const { secrets: device } = generateDevice(made, rng);
    const published = makePrekeySet(EMPTY_PREKEY_RECORD, { device, now }, rng);
    let record = confirmPrekeyUpload(published, 1);
    const { setHash } = record.sets[0]!;
    const status = (remaining: number) => ({ setId: 1, setHash, remaining });
    expect(prekeyDuty(record, status(ONE_TIME_REFILL_AT + 1), now)).toBeNull();
    expect(prekeyDuty(record, status(ONE_TIME_REFILL_AT), now)).toBe('refill');
    for (let id = 0; id < MAX_ONE_TIME_UNITS; id++) {
      record = consumeOneTimeUnit(record, 1, id);
      expect(() => requirePrekeySecrets(record, 1, id)).toThrow('one-time unit not held');
    }
    expect(prekeyDuty(record, status(0), now)).toBe('refill');
    const refilled = makePrekeySet(record, { device, now: now + 1 }, rng);
    expect(refilled.pending).toMatchObject({ setId: 2 });
    expect(refilled.pending?.units).toHaveLength(MAX_ONE_TIME_UNITS);
    // First messages made from the drained set are still on their way: its last-resort key answers them.
    expect(requirePrekeySecrets(refilled, 1, null).oneTime).toBeNull();
    expect(requirePrekeySecrets(refilled, 2, 0).oneTime?.id).toBe(0);
  });
});
