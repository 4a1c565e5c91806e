import { describe, expect, it } from 'vitest';
import { MAX_CHAINS_PER_SENDER_DEVICE, MAX_SKIPPED_PER_CHANNEL } from '#crypto/constants.ts';
import { encodePairwise } from '#crypto/pairwise.ts';
import {
  boundSkippedKeys,
  installChain,
  installForwardedChain,
  MAX_ARCHIVED_CHAINS,
  takeMessageKey,
  type ReceiverChain,
} from '#crypto/receiver-chain.ts';
import { senderChainPacket, type SenderChain } from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import {
  certOf,
  chainOf,
  CONTEXT,
  NOW,
  overSession,
  pair,
  person,
  received,
  Speaker,
  type Person,
} from './group-people.ts';
import { expectCode } from '../support/expect-code.ts';

const ada = person('ada');
const bob = person('bob');
const carol = person('carol');

interface Forward {
  readonly from?: Person;
  readonly startIter?: number;
  readonly existing?: readonly ReceiverChain[];
  readonly historyUpTo?: number;
  readonly chainKey?: Uint8Array;
}

/** Bob (or whoever) hands Ada's chain on to Carol. */
function forwarded(chain: SenderChain, how: Forward = {}): ReceiverChain {
  const payload = encodePairwise({
    kind: 'forwarded-chain',
    cert: chain.cert,
    startIter: how.startIter ?? 0,
    chainKey: how.chainKey ?? chain.seed,
  });
  const context = {
    cert: certOf(chain, ada),
    existing: how.existing ?? [],
    now: NOW,
    ownAid: carol.device.aid,
    historyUpTo: how.historyUpTo ?? 10,
  };
  return installForwardedChain(overSession(how.from ?? bob, payload), context).chain;
}

function reinstall(known: ReceiverChain, chain: SenderChain, startIter?: number): ReceiverChain {
  const packet = overSession(ada, senderChainPacket(chain, startIter));
  return installChain(packet, { cert: certOf(chain, ada), existing: [known], now: NOW + 1 }).chain;
}

describe('receiver chains', () => {
  it('ignores a repeated or later packet of a chain already held', () => {
    const { ada: speaker, held } = pair('repeat');
    const first = speaker.say('one');
    const { chain } = openGroupEvent(held, first, CONTEXT);
    expect(reinstall(chain, speaker.chain, 0)).toBe(chain);
    expect(reinstall(chain, speaker.chain, 1)).toBe(chain);
    expectCode('replay', () => openGroupEvent(reinstall(chain, speaker.chain, 0), first, CONTEXT));
  });

  it('takes an earlier start from the owner when it leads to the key held, and only then', () => {
    const { ada: speaker } = pair('extend');
    const early = [speaker.say('0'), speaker.say('1')];
    const late = received(ada, speaker.chain);
    const { chain } = openGroupEvent(late, speaker.say('2'), CONTEXT);
    const extended = reinstall(chain, speaker.chain, 0);
    expect(extended.startIter).toBe(0);
    expect(extended.iter).toBe(3);
    expect(extended.skipped.map((key) => key.iter)).toEqual([0, 1]);
    for (const event of early) openGroupEvent(extended, event, CONTEXT);
    expectCode('replay', () =>
      openGroupEvent(openGroupEvent(extended, early[0]!, CONTEXT).chain, early[0]!, CONTEXT),
    );
    const elsewhere = { ...speaker.chain, seed: new Uint8Array(32).fill(7) };
    expectCode('mismatch', () => reinstall(chain, elsewhere, 0));
  });

  it('takes no packet that disagrees with its certificate, and no key past the end of a chain', () => {
    const chain = chainOf(ada, 'disagree');
    const context = { cert: certOf(chain, ada), existing: [], now: NOW };
    const install = (more: Partial<SenderChain>) =>
      installChain(overSession(ada, senderChainPacket({ ...chain, ...more })), context);
    expectCode('mismatch', () => install({ chainId: new Uint8Array(8) }));
    expectCode('mismatch', () => install({ certHash: new Uint8Array(32) }));
    expectCode('limit', () => install({ iter: 1000 }));
    const { chain: held } = install({ iter: 999 });
    expect(takeMessageKey(held, 999, NOW).chain.iter).toBe(1000);
    expectCode('limit', () => takeMessageKey(held, 1000, NOW));
    expectCode('unknown_chain', () => takeMessageKey(held, 998, NOW));
  });

  it('keeps five live chains per sender device, archives older ones, and bounds those', () => {
    let records: readonly ReceiverChain[] = [];
    const first = chainOf(ada, 'rotating/0');
    const firstEvent = new Speaker(ada, first, 'rotating/0').say('still readable');
    for (let i = 0; i < 40; i++) {
      const chain = i === 0 ? first : chainOf(ada, `rotating/${i}`);
      const context = { cert: certOf(chain, ada), existing: records, now: NOW + i };
      const done = installChain(overSession(ada, senderChainPacket(chain)), context);
      const gone = [...done.evicted, ...done.archived].map((other) => other.chainId);
      records = [...records.filter((r) => !gone.includes(r.chainId)), ...done.archived, done.chain];
      if (i === 10) {
        const old = records.find((record) => record.archived && record.usedAt === NOW)!;
        expect(openGroupEvent(old, firstEvent, CONTEXT).opened.iter).toBe(0);
      }
    }
    expect(records.filter((record) => !record.archived).length).toBe(MAX_CHAINS_PER_SENDER_DEVICE);
    expect(records.filter((record) => record.archived).length).toBe(MAX_ARCHIVED_CHAINS);
    // the newest survive
    expect(Math.min(...records.map((record) => record.usedAt))).toBe(NOW + 3);
  });

  it('A61 an unsolicited chain from a third member opens history only', () => {
    const { ada: speaker } = pair('a61', { shareable: true });
    const past = speaker.say('history');
    const chain = forwarded(speaker.chain, { historyUpTo: 1 });
    expect(openGroupEvent(chain, past, CONTEXT).opened.iter).toBe(0);
    const future = { ...speaker.say('later'), seq: 2 };
    expectCode('not_allowed', () => openGroupEvent(chain, future, CONTEXT));
  });

  it('A61 needs a genuine certificate and the shareable bit', () => {
    const unshared = chainOf(ada, 'a61/unshared');
    expectCode('not_allowed', () => forwarded(unshared));
    const shared = chainOf(ada, 'a61/shared', { shareable: true });
    const forgedBit = shared.cert.slice();
    forgedBit[1] = 0;
    expectCode('bad_signature', () => certOf({ ...shared, cert: forgedBit }, ada));
    const bobSigned = chainOf({ ...bob, device: ada.device }, 'a61/forged', { shareable: true });
    expectCode('bad_signature', () => certOf(bobSigned, ada));
    // the packet must carry exactly the certificate that was verified
    const context = {
      cert: certOf(shared, ada),
      existing: [],
      now: NOW,
      ownAid: carol.device.aid,
      historyUpTo: 9,
    };
    const other = chainOf(ada, 'a61/other', { shareable: true });
    const payload = encodePairwise({
      kind: 'forwarded-chain',
      cert: other.cert,
      startIter: 0,
      chainKey: other.seed,
    });
    expectCode('mismatch', () => installForwardedChain(overSession(bob, payload), context));
    expectCode('not_allowed', () => installForwardedChain({ peer: bob.device, payload }, context));
    expectCode('malformed', () =>
      installForwardedChain(overSession(bob, senderChainPacket(shared)), context),
    );
  });

  it('A61 never replaces or lowers a chain already held', () => {
    const { ada: speaker } = pair('a61/held', { shareable: true });
    speaker.say('before');
    const live = received(ada, speaker.chain);
    expectCode('not_allowed', () => forwarded(speaker.chain, { existing: [live] }));
    const wrong = { existing: [live], chainKey: new Uint8Array(32).fill(1), startIter: 5 };
    expectCode('not_allowed', () => forwarded(speaker.chain, wrong));
    const own = { existing: [live], from: person('carol', 0) };
    expectCode('not_allowed', () => forwarded(speaker.chain, own));
  });

  it('A61 a wrong forwarded key opens nothing and gives way to the owner', () => {
    const { ada: speaker } = pair('a61/wrong', { shareable: true });
    const event = speaker.say('genuine');
    const wrong = forwarded(speaker.chain, { chainKey: new Uint8Array(32).fill(1) });
    expectCode('bad_mac', () => openGroupEvent(wrong, event, CONTEXT));
    const right = reinstall(wrong, speaker.chain, 0);
    expect(right.origin).toBe('direct');
    expect(right.historyUpTo).toBeNull();
    expect(openGroupEvent(right, event, CONTEXT).opened.iter).toBe(0);
  });

  it('takes any chain from an own device, for the present too', () => {
    const { ada: speaker } = pair('own');
    const chain = forwarded(speaker.chain, { from: carol, historyUpTo: 0 });
    expect(chain.origin).toBe('own');
    expect(openGroupEvent(chain, speaker.say('now'), CONTEXT).opened.iter).toBe(0);
  });

  it('lets the owner correct a wrong key from an own device, and keeps the positions only that device gave', () => {
    const { ada: speaker } = pair('own/corrected');
    const events = ['0', '1', '2', '3'].map((text) => speaker.say(text));
    const own = forwarded(speaker.chain, { from: carol, startIter: 0 });
    const used = openGroupEvent(own, events[0]!, CONTEXT).chain;
    const both = reinstall(used, speaker.chain, 2);
    expect([both.origin, both.startIter, both.iter]).toEqual(['direct', 0, 2]);
    expect(both.skipped.map((key) => key.iter)).toEqual([1]);
    const further = openGroupEvent(used, events[2]!, CONTEXT).chain;
    expect(reinstall(further, speaker.chain, 1).skipped).toEqual([]);
    for (const event of events.slice(1)) openGroupEvent(both, event, CONTEXT);
    expectCode('replay', () => openGroupEvent(both, events[0]!, CONTEXT));
    const wrong = forwarded(speaker.chain, { from: carol, startIter: 0, chainKey: new Uint8Array(32) });
    const corrected = reinstall(wrong, speaker.chain, 2);
    expect(openGroupEvent(corrected, events[2]!, CONTEXT).opened.iter).toBe(2);
    expectCode('bad_mac', () => openGroupEvent(corrected, events[1]!, CONTEXT));
    expect(reinstall(wrong, speaker.chain, 0).startIter).toBe(0);
  });

  it('A61 a wrong forwarded chain does not keep the right one out', () => {
    const { ada: speaker } = pair('a61/squat', { shareable: true });
    const event = speaker.say('history');
    const wrong = forwarded(speaker.chain, { chainKey: new Uint8Array(32).fill(1) });
    const right = forwarded(speaker.chain, { existing: [wrong] });
    const opened = openGroupEvent(right, event, CONTEXT).chain;
    // one that has opened something stays
    expectCode('not_allowed', () => forwarded(speaker.chain, { existing: [opened] }));
  });

  it('A98 bounds skipped keys per channel, least recently used chains first', () => {
    const chains = Array.from({ length: 6 }, (_, i): ReceiverChain => {
      const held = received(ada, chainOf(ada, `bound/${i}`));
      const skipped = Array.from({ length: 1000 }, (_unused, iter) => ({ iter, key: held.chainKey }));
      return { ...held, skipped, usedAt: NOW + ((i * 5) % 6) };
    });
    const changed = boundSkippedKeys(chains);
    expect(changed.map((chain) => [chain.usedAt - NOW, chain.skipped.length])).toEqual([
      [0, 0],
      [1, 0],
    ]);
    const rest = chains.filter((chain) => !changed.some((other) => other.chainId === chain.chainId));
    const total = [...rest, ...changed].reduce((sum, chain) => sum + chain.skipped.length, 0);
    expect(total).toBe(MAX_SKIPPED_PER_CHANNEL);
    expect(boundSkippedKeys(rest)).toEqual([]);
  });

  it('A98 a chain used to its end stays small', () => {
    const who = person('ada');
    const chain = chainOf(who, 'full');
    const speaker = new Speaker(who, chain, 'full');
    let held = received(who, chain);
    for (let i = 0; i < 1000; i++) {
      const event = speaker.say('x');
      if (i % 4 === 3 || i === 999) held = openGroupEvent(held, event, CONTEXT).chain;
    }
    expect(held.iter).toBe(1000);
    expect(held.skipped.length).toBe(750);
    const bytes = held.skipped.length * (32 + 8) + held.seenLinks.length + 16 * held.seenIters.length;
    expect(bytes).toBeLessThan(80_000);
    expect(held.seenIters.length).toBe(250);
  }, 60_000);
});
