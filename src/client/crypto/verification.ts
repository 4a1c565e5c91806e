// Who was checked, and the checking itself: safety numbers, comparison codes, what an invite link said of its maker. A
// person is verified once, by their AID; their devices come and go under it (protocol 3.18).
import {
  bytesToUuid,
  compareSide,
  CryptoError,
  decodeCompareCode,
  encodeCompareCode,
  equalBytes,
  fromBase64Url,
  idKey,
  joinSafetyHalves,
  openAccountLog,
  safetyHalf,
  sameSide,
  toBase64Url,
  type AccountLogState,
  type SafetyIdentity,
} from '#crypto/index.ts';
import type { AccountId } from '#shared/ids.ts';
import { codeOf, type EngineCore, type Own } from './engine-core.ts';
import type { CodeVerdict, Comparison, CryptoApi } from './protocol.ts';
import { keys, type PeerRecord, type VerifiedRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';
import { holdAgainst, identityInQuestion, settleOn, unvouch, vouch, vouchedFor } from './vouching.ts';

type VerificationCalls = Pick<
  CryptoApi,
  | 'acceptIdentity'
  | 'compare'
  | 'readCode'
  | 'verify'
  | 'unverify'
  | 'invitePin'
  | 'checkInvitePin'
  | 'pinInviter'
>;

/** Halves are dear to compute and small to keep; nobody looks at more people than this in one sitting. */
const MAX_HALVES = 200;

/** The identity in question, refused unless it is the one the person was shown. */
async function requireShown(
  unit: UnitOfWork,
  own: Own,
  { accountId, aid }: { accountId: AccountId; aid: string },
): Promise<AccountLogState> {
  const peer =
    accountId === own.self.accountId ? undefined : await unit.get<PeerRecord>(keys.peer(accountId));
  const log = peer && identityInQuestion(peer);
  if (!log) throw new CryptoError('not_allowed', 'no identity to decide about');
  if (toBase64Url(log.aid) !== aid) throw new CryptoError('mismatch', 'not the identity that was shown');
  return log;
}

export class Verification implements VerificationCalls {
  readonly #core: EngineCore;
  readonly #halves = new Map<string, string>();

  constructor(core: EngineCore) {
    this.#core = core;
  }

  #half(identity: SafetyIdentity): string {
    const key = idKey(identity.aid) + idKey(identity.rootPub);
    const half = this.#halves.get(key) ?? safetyHalf(identity);
    if (this.#halves.size >= MAX_HALVES) this.#halves.clear();
    this.#halves.set(key, half);
    return half;
  }

  compare({ accountId }: { accountId: AccountId }): Promise<Comparison | null> {
    return this.#core.run(async (unit, own) => {
      const peer = await unit.get<PeerRecord>(keys.peer(accountId));
      const log = peer && identityInQuestion(peer);
      if (!log || accountId === own.self.accountId) return null;
      const code = encodeCompareCode({ shower: own.log, reader: log }, this.#core.rng);
      const groups = joinSafetyHalves(this.#half(own.log), this.#half(log));
      return { aid: toBase64Url(log.aid), groups, code };
    });
  }

  readCode({ accountId, code }: { accountId: AccountId; code: string }): Promise<CodeVerdict> {
    return this.#core.run(async (unit, own) => {
      const peer = await unit.get<PeerRecord>(keys.peer(accountId));
      const log = peer && identityInQuestion(peer);
      if (!log) throw new CryptoError('not_allowed', 'no identity to compare with');
      let read;
      try {
        read = decodeCompareCode(code);
      } catch (error) {
        return { kind: codeOf(error) === 'unsupported' ? 'newer_version' : 'not_a_code' };
      }
      const { shower, reader } = read;
      const knownAs = async (aid: Uint8Array) => (await unit.get<AccountId>(keys.aid(aid))) ?? null;
      if (equalBytes(shower.aid, own.log.aid)) return { kind: 'own' };
      if (!sameSide(shower, compareSide(log))) {
        if (equalBytes(shower.aid, peer.log.aid) && peer.offered) return { kind: 'old_identity' };
        const of = await knownAs(shower.aid);
        return of !== null && of !== accountId
          ? { kind: 'other_person', accountId: of }
          : { kind: 'other_identity' };
      }
      if (sameSide(reader, compareSide(own.log))) return { kind: 'match', aid: toBase64Url(log.aid) };
      const madeFor = await knownAs(reader.aid);
      return madeFor !== null && madeFor !== own.self.accountId
        ? { kind: 'for_other', accountId: madeFor }
        : { kind: 'sees_other_you' };
    });
  }

  verify(input: { accountId: AccountId; aid: string; how: 'digits' | 'code'; now: number }): Promise<void> {
    return this.#core.run(async (unit, own) => {
      const { accountId, how, now } = input;
      const log = await requireShown(unit, own, input);
      await settleOn(unit, accountId, log);
      const record: VerifiedRecord = { aid: log.aid, ownAid: own.log.aid, how, at: now };
      vouch(unit, accountId, record);
    });
  }

  unverify({ accountId, now }: { accountId: AccountId; now: number }): Promise<void> {
    return this.#core.run(async (unit) => {
      const peer = await unit.get<PeerRecord>(keys.peer(accountId));
      // While an identity waits, giving up the old one is a decision about the new one: `acceptIdentity`.
      if (peer && peer.alarm !== null)
        throw new CryptoError('not_allowed', 'an identity waits to be decided on');
      await unvouch(unit, accountId, now);
    });
  }

  acceptIdentity(input: { accountId: AccountId; aid: string; now: number }): Promise<void> {
    return this.#core.run(async (unit, own) => {
      const peer = await unit.get<PeerRecord>(keys.peer(input.accountId));
      // The own identity is what the vault holds; nobody may talk this device into another one.
      if (peer?.alarm !== 'reset') throw new CryptoError('not_allowed', 'no identity waits to be accepted');
      await settleOn(unit, input.accountId, await requireShown(unit, own, input));
      await unvouch(unit, input.accountId, input.now);
    });
  }

  invitePin(): Promise<string> {
    return this.#core.run(async (_unit, own) => toBase64Url(own.log.aid));
  }

  /** Public data against public data: needs no account. */
  async checkInvitePin(input: { accountId: AccountId; genesis: string; pin: string }): Promise<boolean> {
    try {
      const log = openAccountLog([fromBase64Url(input.genesis)]);
      return bytesToUuid(log.accountId) === input.accountId && toBase64Url(log.aid) === input.pin;
    } catch (error) {
      codeOf(error);
      return false;
    }
  }

  pinInviter(input: { accountId: AccountId; pin: string; now: number }): Promise<void> {
    return this.#core.run(async (unit, own) => {
      const { accountId, pin, now } = input;
      if (accountId === own.self.accountId || (await vouchedFor(unit, accountId))) return;
      const aid = fromBase64Url(pin);
      vouch(unit, accountId, { aid, ownAid: own.log.aid, how: 'invite', at: now });
      await holdAgainst(unit, accountId, aid);
    });
  }
}
