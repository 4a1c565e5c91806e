// A99: what is done ahead by WebCrypto and what is computed in place are the same bytes and the same refusals.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openAccountLog } from '#crypto/account-log.ts';
import { Ahead, tapeRng } from '#crypto/ahead.ts';
import { fromHex, utf8 } from '#crypto/bytes.ts';
import { EMPTY_PREKEY_RECORD, makePrekeySet } from '#crypto/prekey-store.ts';
import { verifyClaimedPrekeys } from '#crypto/prekeys.ts';
import {
  ed25519KeyPair,
  ed25519Sign,
  ed25519Verify,
  importX25519,
  x25519KeyPair,
  x25519Shared,
} from '#crypto/primitives.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { startSession } from '#crypto/session.ts';
import { counting, outcome, outcomeAhead, silent, webcrypto } from '../support/backends.ts';
import { BAD_ED25519, BAD_X25519 } from '../support/bad-keys.ts';
import { makeEnd } from '../support/pairs.ts';
import { makeAccount } from '../support/people.ts';
import { spelled } from '../support/spelled.ts';
import { loadVectors } from '../support/vectors.ts';

interface File {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly Readonly<Record<string, string>>[];
  }[];
}

describe('A99 Wycheproof through both', () => {
  it('A99 Ed25519', async () => {
    const backend = counting(webcrypto);
    let cases = 0;
    for (const { publicKey, tests } of loadVectors<File>('wycheproof/ed25519_test.json').testGroups)
      for (const { msg, sig, result } of tests) {
        const pk = fromHex(publicKey.pk);
        const check = () => ed25519Verify(pk, fromHex(msg!), fromHex(sig!));
        const both = [outcome(check), await outcomeAhead(backend, check)];
        const expected = { value: result === 'valid' };
        expect(both, `case ${cases}`).toEqual([expected, expected]);
        cases++;
      }
    expect(cases).toBe(151);
    const valid = loadVectors<File>('wycheproof/ed25519_test.json')
      .testGroups.flatMap(({ tests }) => tests)
      .filter(({ result }) => result === 'valid').length;
    expect(backend.answered).toBe(valid); // none of them was computed in place
  });

  it('A99 X25519', async () => {
    const backend = counting(webcrypto);
    let cases = 0;
    let agreed = 0;
    for (const { tests } of loadVectors<File>('wycheproof/x25519_test.json').testGroups)
      for (const test of tests) {
        const [secretKey, pub] = [fromHex(test['private']!), fromHex(test['public']!)];
        const agree = () => x25519Shared(secretKey, pub);
        const inPlace = outcome(agree);
        expect(await outcomeAhead(backend, agree), `case ${cases}`).toEqual(inPlace);
        if ('value' in inPlace) agreed++;
        cases++;
      }
    expect(cases).toBe(518);
    expect(backend.answered).toBe(agreed);
  });
});

describe('A99 keys and signatures', () => {
  it.each(BAD_ED25519)('A99 a bad Ed25519 key never reaches the backend: $name', async ({ key }) => {
    const backend = counting(webcrypto);
    const signature = ed25519Sign(new Uint8Array(32).fill(1), utf8('m'));
    const check = () => ed25519Verify(key, utf8('m'), signature);
    expect(await outcomeAhead(backend, check)).toEqual({ value: false });
    expect(backend.asked).toEqual([]);
  });

  it.each(BAD_X25519)('A99 a bad X25519 key is refused alike: $name', async ({ key }) => {
    const secretKey = new Uint8Array(32).fill(3);
    for (const act of [() => importX25519(key), () => x25519Shared(secretKey, key)])
      expect(await outcomeAhead(webcrypto, act)).toEqual(outcome(act));
  });

  it('A99 changed signatures, keys and messages: same verdict', async () => {
    const rng = seededRng(utf8('differential'));
    const signers = [ed25519KeyPair(rng), ed25519KeyPair(rng)];
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.record({ at: fc.nat(63), bits: fc.nat(3), signer: fc.nat(1), longer: fc.boolean() }),
        async (message, { at, bits, signer, longer }) => {
          const signature = ed25519Sign(signers[0]!.secretKey, message);
          signature[at]! ^= bits === 3 ? 0x80 : bits;
          const said = longer ? Uint8Array.of(...message, 0) : message;
          const check = () => ed25519Verify(signers[signer]!.publicKey, said, signature);
          expect(await outcomeAhead(webcrypto, check)).toEqual(outcome(check));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('A99 random agreements and public keys: same bytes, all answered ahead', async () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    await fc.assert(
      fc.asyncProperty(bytes32, bytes32, async (secretKey, peerSecret) => {
        const backend = counting(webcrypto);
        const rngOf = (bytes: Uint8Array) => ({ bytes: () => bytes });
        const peer = x25519KeyPair(rngOf(peerSecret)).publicKey;
        const work = () => [x25519KeyPair(rngOf(secretKey)).publicKey, x25519Shared(secretKey, peer)];
        expect(await outcomeAhead(backend, work)).toEqual(outcome(work));
        expect(backend.answered).toBe(2);
      }),
      { numRuns: 50 },
    );
  });
});

describe('A99 whole calls', () => {
  it('A99 an account log gives the same state, nothing checked in place', async () => {
    const { entries } = makeAccount('log ahead', 3);
    const backend = counting(webcrypto);
    const open = () => openAccountLog(entries);
    const [inPlace, ahead] = [outcome(open), await outcomeAhead(backend, open)];
    expect(spelled(ahead)).toBe(spelled(inPlace));
    expect(backend.answered).toBe(1 + 3 * 2);
  });

  it('A99 a log refused at any entry is refused alike', async () => {
    const { entries } = makeAccount('log refused', 2);
    for (let at = 0; at < entries.length; at++) {
      const changed = entries.map((entry) => entry.slice());
      changed[at]![changed[at]!.length - 1]! ^= 1;
      const open = () => openAccountLog(changed);
      const inPlace = outcome(open);
      expect(inPlace).toHaveProperty('code');
      expect(await outcomeAhead(webcrypto, open)).toEqual(inPlace);
    }
  });

  it.each([4, 0])('A99 a session opened with identical randomness is identical (%s units)', async (units) => {
    const [ada, ben] = [makeEnd('ada ahead'), makeEnd('ben ahead', { units })];
    const check = { device: ben.device.cert, serverTime: ben.now, knownSetId: 0 };
    const bundle = verifyClaimedPrekeys(ben.claims[0]!, check);
    const options = { self: ada.self, peerLog: ben.account.log, bundle };
    const fresh = () => seededRng(utf8('the same'));
    const inPlace = startSession(null, options, { now: ada.now, rng: fresh() });
    const backend = counting(webcrypto);
    const tape = tapeRng(fresh());
    const ahead = new Ahead(backend);
    await ahead.prepare([() => startSession(null, options, { now: ada.now, rng: tape.record })]);
    const session = ahead.use(() => startSession(null, options, { now: ada.now, rng: tape.replay }));
    expect(spelled(session)).toBe(spelled(inPlace));
    expect(backend.answered).toBe(units > 0 ? 7 : 6); // two key pairs, the agreements, the first ratchet step
  });

  it('A99 a prekey set made with identical randomness is identical', async () => {
    const { device, now } = makeEnd('prekeys ahead');
    const fresh = () => seededRng(utf8('the same set'));
    const make = (rng: ReturnType<typeof fresh>) =>
      makePrekeySet(EMPTY_PREKEY_RECORD, { device: device.secrets, now, units: 5 }, rng);
    const tape = tapeRng(fresh());
    const backend = counting(webcrypto);
    const ahead = new Ahead(backend);
    await ahead.prepare([() => make(tape.record)]);
    const made = ahead.use(() => make(tape.replay));
    expect(spelled(made)).toBe(spelled(make(fresh())));
    expect(backend.answered).toBe(6);
  });
});

describe('work ahead', () => {
  const pair = ed25519KeyPair(seededRng(utf8('ahead')));
  const forged = new Uint8Array(64).fill(1);
  const forgery = () => ed25519Verify(pair.publicKey, utf8('m'), forged);

  it('takes a signature for true only once the backend said so', async () => {
    let say: (() => void) | undefined;
    const late = {
      answer: () => new Promise<readonly null[]>((resolve) => (say = () => resolve([null]))),
    };
    const ahead = new Ahead(late);
    const preparing = ahead.prepare([forgery]);
    expect(ahead.use(forgery)).toBe(false);
    expect(forgery()).toBe(false);
    say?.();
    await preparing;
    expect(ahead.use(forgery)).toBe(false);
  });

  it('is the same with a backend that knows nothing', async () => {
    const open = () => openAccountLog(makeAccount('silent').entries);
    expect(spelled(await outcomeAhead(silent, open))).toBe(spelled(outcome(open)));
  });

  it('ends its dry run with the call, also when that throws', async () => {
    const ahead = new Ahead(silent);
    await ahead.prepare([() => x25519Shared(new Uint8Array(32), new Uint8Array(31))]);
    expect(forgery()).toBe(false);
    await expect(
      ahead.prepare([
        () => {
          throw new TypeError('a mistake of ours');
        },
      ]),
    ).rejects.toThrow(TypeError);
    expect(forgery()).toBe(false);
    expect(() =>
      ahead.use(() => {
        throw new TypeError('another');
      }),
    ).toThrow(TypeError);
    expect(forgery()).toBe(false);
  });

  it('without a backend runs nothing ahead', async () => {
    let runs = 0;
    await new Ahead(null).prepare([() => runs++]);
    expect(runs).toBe(0);
  });

  it('hands the prepared agreement out as a copy', async () => {
    const secretKey = new Uint8Array(32).fill(5);
    const peer = x25519KeyPair(seededRng(utf8('copy'))).publicKey;
    const ahead = new Ahead(webcrypto);
    const agree = () => x25519Shared(secretKey, peer);
    await ahead.prepare([agree]);
    ahead.use(agree).fill(0);
    expect(ahead.use(agree)).toEqual(agree());
  });
});

describe('taped randomness', () => {
  it('gives the same bytes once, then fresh ones', () => {
    const tape = tapeRng(seededRng(utf8('tape')));
    const [a, b] = [tape.record.bytes(32), tape.record.bytes(16)];
    expect(tape.replay.bytes(32)).toEqual(a);
    expect(tape.replay.bytes(16)).toEqual(b);
    const next = tape.replay.bytes(16);
    expect(next).not.toEqual(b);
  });

  it('drops what was meant for another length', () => {
    const tape = tapeRng(seededRng(utf8('tape')));
    const drawn = [tape.record.bytes(32), tape.record.bytes(16)];
    const replayed = [tape.replay.bytes(16), tape.replay.bytes(32), tape.replay.bytes(16)];
    for (const bytes of replayed) for (const old of drawn) expect(bytes).not.toEqual(old);
  });
});
