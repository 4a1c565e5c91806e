import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commitContent, verifyCommitment, type FrankedContent } from '#crypto/franking.ts';
import { flip } from './group-people.ts';
import { expectCode } from '../support/expect-code.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyFranked: fc.Arbitrary<FrankedContent> = fc.record({
  channelId: bytes(16),
  eventId: bytes(16),
  aid: bytes(32),
  deviceId: bytes(16),
  content: fc.uint8Array({ maxLength: 200 }),
});

describe('franking', () => {
  it('opens for exactly what was committed to', () => {
    fc.assert(
      fc.property(anyFranked, bytes(32), (franked, key) => {
        const commit = commitContent(key, franked);
        verifyCommitment(commit, key, franked);
        expect(commit.length).toBe(32);
        for (const field of ['channelId', 'eventId', 'aid', 'deviceId'] as const) {
          const other = { ...franked, [field]: flip(franked[field], 0) };
          expectCode('bad_mac', () => verifyCommitment(commit, key, other));
        }
        const longer = { ...franked, content: new Uint8Array([...franked.content, 0]) };
        expectCode('bad_mac', () => verifyCommitment(commit, key, longer));
        expectCode('bad_mac', () => verifyCommitment(commit, flip(key, 31), franked));
        expectCode('bad_mac', () => verifyCommitment(flip(commit, 31, 7), key, franked));
      }),
      { numRuns: 60 },
    );
  });

  it('takes keys and commitments of the right length only', () => {
    const franked = {
      channelId: new Uint8Array(16),
      eventId: new Uint8Array(16),
      aid: new Uint8Array(32),
      deviceId: new Uint8Array(16),
      content: new Uint8Array(0),
    };
    // HMAC pads short keys with zeros: without the length check two keys would open one commitment
    expectCode('malformed', () => commitContent(new Uint8Array(31), franked));
    const commit = commitContent(new Uint8Array(32), franked);
    expectCode('malformed', () => verifyCommitment(commit.slice(1), new Uint8Array(32), franked));
    expectCode('malformed', () => commitContent(new Uint8Array(32), { ...franked, aid: new Uint8Array(16) }));
  });
});
