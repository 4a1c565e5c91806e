// History that is handed on by somebody else than its author: what it needs, and what it never touches.
import { describe, expect, it } from 'vitest';
import { verifyChainCert } from '#crypto/chain-cert.ts';
import { MAX_CHAIN_CERT_BYTES, MAX_CHAINS_PER_SENDER_DEVICE } from '#crypto/constants.ts';
import { answerKeyRequest, type HeldChain } from '#crypto/key-request.ts';
import { encodePairwise } from '#crypto/pairwise.ts';
import { installChain, installForwardedChain, type ReceiverChain } from '#crypto/receiver-chain.ts';
import { senderChainPacket, type SenderChain } from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import {
  certOf,
  chainOf,
  CHANNEL,
  CONTEXT,
  expectedOf,
  NOW,
  overSession,
  person,
  received,
  spoken,
} from './group-people.ts';
import { expectCode } from '../support/expect-code.ts';

const ada = person('ada');
const bob = person('bob');
const carol = person('carol');

/** As Bob, who read along, keeps it: the earliest key he was given. */
const kept = ({ channelId, chainId, cert, shareable, seed }: SenderChain): HeldChain => ({
  channelId,
  chainId,
  cert,
  shareable,
  iter: 0,
  chainKey: seed,
});

function install(chain: SenderChain, packet: Uint8Array, existing: readonly ReceiverChain[] = []) {
  const context = { cert: certOf(chain, ada), existing, now: NOW, ownAid: carol.device.aid, historyUpTo: 3 };
  return installForwardedChain(overSession(bob, packet), context);
}

const asked = (chain: SenderChain, iter: number) => ({
  kind: 'key-request' as const,
  channelId: CHANNEL,
  chainId: chain.chainId,
  iter,
});
const asker = { device: carol.device, live: true, member: true };

describe('shared history', () => {
  it('is handed on whole by any reader, whichever position was asked for', () => {
    const { chain, events } = spoken('whole', { shareable: true });
    for (const requested of [
      { kind: 'held', chain: kept(chain), ownAid: bob.device.aid },
      { kind: 'owned', chain },
    ] as const) {
      const answer = answerKeyRequest(asked(chain, 2), asker, requested);
      expect(answer.answer && answer.startIter).toBe(0);
    }
    const held = { kind: 'held', chain: kept(chain), ownAid: bob.device.aid } as const;
    let { chain: got } = install(chain, answerKeyRequest(asked(chain, 2), asker, held).packet);
    for (const event of events) got = openGroupEvent(got, event, CONTEXT).chain;
    expect(got.seenIters).toEqual([0, 1, 2]);
  });

  it('A61 takes no live chain’s place, and the author’s own word makes it a live one', () => {
    const live = Array.from({ length: MAX_CHAINS_PER_SENDER_DEVICE }, (_, i) =>
      received(ada, chainOf(ada, `live/${i}`), 0),
    );
    const { chain } = spoken('beside', { shareable: true });
    const packet = encodePairwise({
      kind: 'forwarded-chain',
      cert: chain.cert,
      startIter: 0,
      chainKey: chain.seed,
    });
    const installed = install(chain, packet, live);
    expect([installed.archived, installed.evicted]).toEqual([[], []]);
    expect(installed.chain.archived).toBe(true);
    const existing = [...live, installed.chain];
    const context = { cert: certOf(chain, ada), existing, now: NOW };
    const owned = installChain(overSession(ada, senderChainPacket(chain, 0)), context);
    expect(owned.chain).toMatchObject({ archived: false, origin: 'direct', historyUpTo: null });
    expect(owned.archived).toHaveLength(1);
    expect(owned.archived[0]!.chainId).not.toEqual(chain.chainId);
  });

  it('A72 needs the certificate its author signed, of a size a certificate has', () => {
    const { chain } = spoken('forged', { shareable: true });
    const other = chainOf(ada, 'forged/other', { shareable: true });
    const forged = encodePairwise({
      kind: 'forwarded-chain',
      cert: other.cert,
      startIter: 0,
      chainKey: chain.seed,
    });
    expectCode('mismatch', () => install(chain, forged));
    const signedByBob = chainOf({ ...ada, secretKey: bob.secretKey }, 'forged/bob', { shareable: true });
    expectCode('bad_signature', () => certOf(signedByBob, ada));
    const cert = new Uint8Array(MAX_CHAIN_CERT_BYTES + 1);
    const chainKey = chain.seed;
    expectCode('limit', () => encodePairwise({ kind: 'forwarded-chain', cert, startIter: 0, chainKey }));
    const oversize = new Uint8Array([3, 0xff, 0xff, 0x03, ...new Uint8Array(60_000)]);
    expect(() => install(chain, oversize)).toThrow();
  });

  it('A73 a chain is not made shareable, nor private, by whoever passes its certificate on', () => {
    for (const shareable of [false, true]) {
      const chain = chainOf(ada, `flip/${shareable}`, { shareable });
      const cert = chain.cert.slice();
      cert[1]! ^= 1;
      const owner = expectedOf(ada);
      expect(verifyChainCert(chain.cert, owner).shareable).toBe(shareable);
      expectCode('bad_signature', () => verifyChainCert(cert, owner));
    }
  });
});
