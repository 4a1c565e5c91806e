// A92: the safety number two people compare, against frozen vectors and a second implementation in Python.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountIdentity } from '#crypto/account-log.ts';
import { toHex, utf8 } from '#crypto/bytes.ts';
import { encodeCompareCode, decodeCompareCode } from '#crypto/compare-code.ts';
import { randomId } from '#crypto/ids.ts';
import { ed25519KeyPair } from '#crypto/primitives.ts';
import { joinSafetyHalves, safetyHalf } from '#crypto/safety-number.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { frozenVectors } from '../support/vectors.ts';

const rng = seededRng(utf8('frozen/safety-number'));
const people = Array.from({ length: 3 }, () => {
  const { publicKey: rootPub } = ed25519KeyPair(rng);
  const accountId = randomId(rng);
  return { accountId, rootPub, aid: accountIdentity(accountId, rootPub) };
});
const halves = people.map(safetyHalf);
const numberOf = (one: number, other: number) => joinSafetyHalves(halves[one]!, halves[other]!);
const pairs = [
  [0, 1],
  [0, 2],
  [1, 2],
] as const;
const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at >> 3 ? byte ^ (1 << (at & 7)) : byte));

describe('safety number', () => {
  it('A92 frozen vectors', () => {
    const text = encodeCompareCode({ shower: people[0]!, reader: people[1]! }, rng);
    const fresh = {
      people: people.map(({ accountId, rootPub, aid }, i) => ({
        accountId: toHex(accountId),
        rootPub: toHex(rootPub),
        aid: toHex(aid),
        half: halves[i],
      })),
      pairs: pairs.map((pair) => ({ people: pair, number: numberOf(pair[0], pair[1]) })),
      code: { shower: 0, reader: 1, nonce: toHex(decodeCompareCode(text).nonce), text },
    };
    expect(fresh).toEqual(frozenVectors('safety-number.json', fresh));
  });

  it('A92 is twelve groups of five digits, the same for both, another for every pair', () => {
    for (const [one, other] of pairs) {
      const number = numberOf(one, other);
      expect(number).toHaveLength(12);
      expect(number.every((group) => /^\d{5}$/.test(group))).toBe(true);
      expect(numberOf(other, one)).toEqual(number);
    }
    expect(new Set(pairs.map((pair) => numberOf(pair[0], pair[1]).join(''))).size).toBe(pairs.length);
  });

  it('A92 changes with every bit of root or AID, and with nothing else', () => {
    const { aid, rootPub } = people[0]!;
    const bit = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(bit, fc.boolean(), (at, isRoot) => {
        const changed = isRoot ? { aid, rootPub: flipped(rootPub, at) } : { aid: flipped(aid, at), rootPub };
        expect(safetyHalf(changed)).not.toBe(halves[0]);
      }),
      { numRuns: 24 },
    );
    // Nothing but root and AID goes in: the same two give the same half, whatever else is known of the account.
    const { accountId } = people[1]!;
    expect(safetyHalf({ ...people[0]!, ...{ accountId } })).toBe(halves[0]);
  });

  it('A92 the half of one person does not depend on the other', () => {
    expect(numberOf(0, 1).join('')).toContain(halves[0]);
    expect(numberOf(0, 2).join('')).toContain(halves[0]);
  });

  it('refuses what is no identity', () => {
    const { aid, rootPub } = people[0]!;
    expect(() => safetyHalf({ aid: aid.slice(1), rootPub })).toThrow(/malformed/);
    expect(() => safetyHalf({ aid, rootPub: new Uint8Array(33) })).toThrow(/malformed/);
  });

  const python = spawnSync('python3', ['-c', '']).status === 0;
  it.skipIf(!python)('A92 a second implementation in Python agrees (needs python3)', () => {
    const script = fileURLToPath(new URL('../support/oracle-safety.py', import.meta.url));
    expect(execFileSync('python3', [script], { encoding: 'utf8' })).toBe('ok 11\n');
  });
});
