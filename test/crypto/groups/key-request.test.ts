import { describe, expect, it } from 'vitest';
import {
  answerKeyRequest,
  isHistoryWanted,
  type Asker,
  type KeyAnswer,
  type RequestedChain,
} from '#crypto/key-request.ts';
import { decodePairwise, encodePairwise, WITHHELD_CODES, type KeyRequestPayload } from '#crypto/pairwise.ts';
import { installForwardedChain } from '#crypto/receiver-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import type { SenderChain } from '#crypto/sender-chain.ts';
import {
  certOf,
  chainOf,
  CHANNEL,
  CONTEXT,
  NOW,
  OTHER_CHANNEL,
  overSession,
  person,
  received,
  spoken,
} from './group-people.ts';
import { expectCode } from '../support/expect-code.ts';

const ada = person('ada');
const bob = person('bob');
const carol = person('carol');

const asker = (more: Partial<Asker> = {}): Asker => ({
  device: bob.device,
  live: true,
  member: true,
  ...more,
});
const owned = (chain: SenderChain | undefined): RequestedChain => ({ kind: 'owned', chain });

/** Bob was a reader when the chain began, Carol was not. */
const heard = (seed: string, shareable = false) =>
  spoken(seed, { readers: [ada.device.aid, bob.device.aid], shareable });

function request(chain: SenderChain, iter: number, channelId = CHANNEL): KeyRequestPayload {
  return { kind: 'key-request', channelId, chainId: chain.chainId, iter };
}

/** The code, checked to be the one the packet carries. */
function withheld(answer: KeyAnswer): string {
  if (answer.answer) throw new Error('answered');
  const payload = decodePairwise(overSession(ada, answer.packet));
  expect(payload).toMatchObject({ kind: 'withheld', code: answer.code });
  return answer.code;
}

describe('key requests', () => {
  it('answer a reader who missed the chain with exactly the position asked for', () => {
    const { chain, events } = heard('missed');
    const answer = answerKeyRequest(request(chain, 1), asker(), owned(chain));
    expect(answer.answer && answer.startIter).toBe(1);
    const held = received(ada, chain, 1);
    const payload = decodePairwise(overSession(ada, answer.packet));
    expect(payload).toMatchObject({ kind: 'chain', startIter: 1, chainKey: held.chainKey });
    expect(openGroupEvent(held, events[1]!, CONTEXT).opened.iter).toBe(1);
    expectCode('unknown_chain', () => openGroupEvent(held, events[0]!, CONTEXT));
  });

  it('A71 withhold from accounts that are not members', () => {
    const { chain } = heard('non-member');
    for (const iter of [0, 3]) {
      const answer = answerKeyRequest(request(chain, iter), asker({ member: false }), owned(chain));
      expect(withheld(answer)).toBe('not-member');
    }
  });

  it('A71 withhold from later members what was said before they came', () => {
    const { chain } = heard('later');
    const late = asker({ device: carol.device });
    expect(withheld(answerKeyRequest(request(chain, 0), late, owned(chain)))).toBe('not-shareable');
    expect(withheld(answerKeyRequest(request(chain, 2), late, owned(chain)))).toBe('not-shareable');
    // from the next message on they may read, and again from where they were given it
    expect(answerKeyRequest(request(chain, 3), late, owned(chain)).answer).toBe(true);
    const given = { ...late, givenFrom: 1 };
    expect(answerKeyRequest(request(chain, 1), given, owned(chain)).answer).toBe(true);
    expect(withheld(answerKeyRequest(request(chain, 0), given, owned(chain)))).toBe('not-shareable');
  });

  it('A71 withhold from devices no account log certifies any more', () => {
    const { chain } = heard('unverified');
    const dead = asker({ live: false });
    expect(withheld(answerKeyRequest(request(chain, 0), dead, owned(chain)))).toBe('revoked');
    // also from a device that is neither certified nor a member's
    const nobody = asker({ live: false, member: false });
    expect(withheld(answerKeyRequest(request(chain, 0), nobody, owned(chain)))).toBe('revoked');
  });

  it('A71 say too-old for chains that are gone, and for another channel or chain', () => {
    const { chain } = heard('gone');
    const other = heard('gone/other').chain;
    expect(withheld(answerKeyRequest(request(chain, 0), asker(), owned(undefined)))).toBe('too-old');
    expect(withheld(answerKeyRequest(request(chain, 0, OTHER_CHANNEL), asker(), owned(chain)))).toBe(
      'too-old',
    );
    expect(withheld(answerKeyRequest(request(other, 0), asker(), owned(chain)))).toBe('too-old');
    const nothing = { kind: 'held', chain: undefined, ownAid: bob.device.aid } as const;
    expect(withheld(answerKeyRequest(request(chain, 0), asker(), nothing))).toBe('too-old');
    expect(withheld(answerKeyRequest(request(chain, 4), asker(), owned(chain)))).toBe('too-old');
  });

  it('share all of a shareable chain with later members', () => {
    const { chain } = heard('shared', true);
    const late = asker({ device: carol.device });
    const answer = answerKeyRequest(request(chain, 0), late, owned(chain));
    expect(answer.answer && answer.startIter).toBe(0);
  });

  it('give own devices everything', () => {
    const { chain } = heard('own');
    const own = asker({ device: person('ada', 1).device });
    expect(answerKeyRequest(request(chain, 0), own, owned(chain)).answer).toBe(true);
  });

  it('A71 hand on somebody else’s chain to own devices, and to others only if shareable', () => {
    for (const shareable of [false, true]) {
      const { chain, events } = heard(`held/${shareable}`, shareable);
      const held = received(ada, chain, 0);
      const requested = { kind: 'held', chain: held, ownAid: bob.device.aid } as const;
      const own = answerKeyRequest(request(chain, 0), asker({ device: person('bob', 1).device }), requested);
      expect(own.answer).toBe(true);
      const other = answerKeyRequest(request(chain, 0), asker({ device: carol.device }), requested);
      if (!shareable) {
        expect(withheld(other)).toBe('not-shareable');
        continue;
      }
      const context = {
        cert: certOf(chain, ada),
        existing: [],
        now: NOW,
        ownAid: carol.device.aid,
        historyUpTo: 3,
      };
      const { chain: got } = installForwardedChain(overSession(bob, other.packet), context);
      expect(openGroupEvent(got, events[2]!, CONTEXT).opened.iter).toBe(2);
    }
  });

  it('say too-old for positions whose keys were used and dropped', () => {
    const { chain, events } = heard('used', true);
    const used = openGroupEvent(received(ada, chain, 0), events[0]!, CONTEXT).chain;
    const requested = { kind: 'held', chain: used, ownAid: bob.device.aid } as const;
    expect(withheld(answerKeyRequest(request(chain, 0), asker({ device: carol.device }), requested))).toBe(
      'too-old',
    );
    expect(answerKeyRequest(request(chain, 1), asker({ device: carol.device }), requested).answer).toBe(true);
  });

  it('encode every refusal', () => {
    for (const code of WITHHELD_CODES) {
      const bytes = encodePairwise({
        kind: 'withheld',
        channelId: CHANNEL,
        chainId: new Uint8Array(8),
        code,
      });
      expect(decodePairwise(overSession(ada, bytes))).toMatchObject({ code });
    }
  });
});

describe('history that is handed on', () => {
  const chain = chainOf(ada, 'handed', { shareable: true });
  const { chainId } = chain;
  const asked = { channelId: CHANNEL, chainId, isShared: true };
  const handed = { channelId: CHANNEL, chainId, from: bob.device.aid };
  const readers = [ada.device.aid, bob.device.aid];

  it('A72 counts from whoever reads the channel, for what was asked for', () => {
    expect(isHistoryWanted(handed, asked, readers)).toBe(true);
  });

  it('A72 is nothing from a non-member, nor from one who no longer is', () => {
    expect(isHistoryWanted({ ...handed, from: carol.device.aid }, asked, readers)).toBe(false);
    expect(isHistoryWanted(handed, asked, [ada.device.aid])).toBe(false);
    expect(isHistoryWanted(handed, asked, [])).toBe(false);
  });

  it('A72 is nothing for a channel never joined, or whose history nobody asked for', () => {
    expect(isHistoryWanted(handed, undefined, readers)).toBe(false);
    expect(isHistoryWanted(handed, { ...asked, channelId: OTHER_CHANNEL }, readers)).toBe(false);
    expect(isHistoryWanted({ ...handed, channelId: OTHER_CHANNEL }, asked, readers)).toBe(false);
  });

  it('A72 is nothing of a chain that is another one, or that its sender did not mean for later members', () => {
    const other = chainOf(ada, 'handed/other').chainId;
    expect(isHistoryWanted({ ...handed, chainId: other }, asked, readers)).toBe(false);
    expect(isHistoryWanted(handed, { ...asked, isShared: false }, readers)).toBe(false);
  });
});
