import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IncomingEvent } from '#crypto/dm-message.ts';
import { decodeEnvelope, encodeEnvelope, parseEnvelopeHeader } from '#crypto/envelope.ts';
import type { ReceiverChain } from '#crypto/receiver-chain.ts';
import { acknowledgeSend, refuseSend } from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import { findLinkGaps, judgeStub, verifyRun, type EventStub, type RunResult } from '#crypto/sender-run.ts';
import { expectCode } from '../support/expect-code.ts';
import { CONTEXT, flip, NOW, pair, received, Speaker } from './group-people.ts';

function codes(results: readonly RunResult[]): string[] {
  return results.map((result) => (result.ok ? 'ok' : result.code));
}

function talk(seed: string, count: number): { events: IncomingEvent[]; held: ReceiverChain; ada: Speaker } {
  const { ada, held } = pair(seed);
  return { ada, held, events: Array.from({ length: count }, (_, i) => ada.say(`message ${i}`)) };
}

/** What the server keeps of a removed event. */
function stubOf(event: IncomingEvent): EventStub {
  const view = parseEnvelopeHeader(event.envelope);
  const { chainId, iter, link } = view.chain!;
  return { eventId: view.eventId, seq: event.seq, class: view.class, chainId, iter, linkHash: link };
}

function withBadSignature(event: IncomingEvent): IncomingEvent {
  const envelope = decodeEnvelope(event.envelope);
  const payload = flip(envelope.payload, envelope.payload.length - 40);
  return { ...event, envelope: encodeEnvelope({ ...envelope, payload }) };
}

describe('runs of sender-key messages', () => {
  it('opens a page of 50 with one signature check, to the same result as one by one', () => {
    const { events, held } = talk('page', 50);
    const page = verifyRun(held, events, CONTEXT);
    expect(page.signaturesChecked).toBe(1);
    expect(codes(page.results)).toEqual(events.map(() => 'ok'));
    let chain = held;
    for (const event of events) chain = openGroupEvent(chain, event, CONTEXT).chain;
    expect(page.chain).toEqual(chain);
    expect(findLinkGaps(page.chain)).toEqual([]);
  });

  it('checks one signature per contiguous run', () => {
    const { events, held } = talk('runs', 20);
    const page = [...events.slice(0, 5), ...events.slice(8, 12), ...events.slice(13)];
    expect(verifyRun(held, page, CONTEXT).signaturesChecked).toBe(3);
  });

  it('vouches for nothing below a forged newest message', () => {
    const { events, held } = talk('forged-newest', 6);
    const page = [...events.slice(0, 5), withBadSignature(events[5]!)];
    const outcome = verifyRun(held, page, CONTEXT);
    expect(codes(outcome.results)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'bad_signature']);
    expect(outcome.signaturesChecked).toBe(2);
  });

  it('refuses any changed byte inside a run, and reports only what changed as failed', () => {
    const { events, held } = talk('changed', 5);
    fc.assert(
      fc.property(fc.nat(4), fc.nat(events[0]!.envelope.length - 1), fc.nat(7), (which, index, bit) => {
        const page = [...events];
        page[which] = { ...events[which]!, envelope: flip(events[which]!.envelope, index, bit) };
        const outcome = verifyRun(held, page, CONTEXT);
        outcome.results.forEach((result, i) => expect(result.ok).toBe(i !== which));
        expect(outcome.chain.seenIters).toEqual([0, 1, 2, 3, 4].filter((iter) => iter !== which));
      }),
      { numRuns: 100 },
    );
  });

  it('A65 reports a message dropped inside a run', () => {
    const { events, held } = talk('dropped', 6);
    const page = events.filter((_, i) => i !== 3);
    const { chain, results } = verifyRun(held, page, CONTEXT);
    expect(codes(results)).toEqual(page.map(() => 'ok'));
    expect(findLinkGaps(chain)).toEqual([{ kind: 'missing', afterIter: 2, beforeIter: 4 }]);
    // and no longer once it arrives
    const healed = openGroupEvent(chain, events[3]!, CONTEXT).chain;
    expect(findLinkGaps(healed)).toEqual([]);
  });

  it('A65 reports every loss whatever arrives and in whatever order', () => {
    const { events, held } = talk('losses', 10);
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: 1 }), (delivered) => {
        let chain = held;
        for (const event of delivered) chain = openGroupEvent(chain, event, CONTEXT).chain;
        const iters = [...chain.seenIters];
        const expected = iters
          .map((iter, i) => ({ iter, before: i === 0 ? -1 : iters[i - 1]! }))
          .filter(({ iter, before }) => iter !== before + 1)
          .map(({ iter, before }) =>
            before < 0 ? { kind: 'earlier', iter } : { kind: 'missing', afterIter: before, beforeIter: iter },
          );
        expect(findLinkGaps(chain)).toEqual(expected);
      }),
      { numRuns: 25 },
    );
  });

  it('A65 refuses a reordered run', () => {
    const { events, held } = talk('reordered', 4);
    const seqs = events.map((event) => event.seq);
    const swapped = [events[0]!, events[2]!, events[1]!, events[3]!].map((event, i) => ({
      ...event,
      seq: seqs[i]!,
    }));
    const outcome = verifyRun(held, swapped, CONTEXT);
    expect(codes(outcome.results)).toEqual(['ok', 'ok', 'mismatch', 'ok']);
    expect(findLinkGaps(outcome.chain)).toEqual([{ kind: 'missing', afterIter: 0, beforeIter: 2 }]);
  });

  it('A65 refuses two events under one seq', () => {
    const { events, held } = talk('one-seq', 2);
    for (const [first, second] of [events, [...events].reverse()] as [IncomingEvent, IncomingEvent][]) {
      const { chain } = openGroupEvent(held, first, CONTEXT);
      expectCode('mismatch', () => openGroupEvent(chain, { ...second, seq: first.seq }, CONTEXT));
    }
  });

  it('A65 tells a skipped position from a lost message, and a refused one that was delivered', () => {
    const { ada, held } = pair('refusals');
    const first = ada.say('one');
    const refused = ada.trySay('refused');
    ada.chain = refuseSend(ada.chain, ada.chain.pending!.eventId);
    const third = ada.say('three');
    const honest = verifyRun(held, [first, third], CONTEXT);
    expect(findLinkGaps(honest.chain)).toEqual([]);
    const lying = verifyRun(held, [first, refused, third], CONTEXT);
    expect(findLinkGaps(lying.chain)).toEqual([{ kind: 'contradicted', iter: 2, delivered: [1] }]);
  });

  it('A65 notices when nothing links to the start of the chain', () => {
    const { events, held } = talk('no-start', 3);
    const { chain } = verifyRun(held, events.slice(1), CONTEXT);
    expect(findLinkGaps(chain)).toEqual([{ kind: 'earlier', iter: 1 }]);
  });

  it('refuses server time that runs backwards inside a page', () => {
    const { events, held } = talk('clock', 3);
    const page = [events[0]!, { ...events[1]!, createdAt: NOW - 1 }, events[2]!];
    expect(codes(verifyRun(held, page, CONTEXT).results)).toEqual(['ok', 'mismatch', 'ok']);
  });

  it('A64 raises the alarm inside a page', () => {
    const { ada, held } = pair('page-fork');
    const first = ada.say('same start');
    const fork = new Speaker(ada.who, ada.chain, 'page-fork/2');
    const second = ada.say('for you');
    const other = { ...fork.say('for others'), seq: 3 };
    const outcome = verifyRun(held, [first, second, other], CONTEXT);
    expect(codes(outcome.results)).toEqual(['ok', 'ok', 'equivocation']);
  });
});

describe('stubs of removed events', () => {
  it('stand in for the message their link names', () => {
    const { events, held } = talk('stub', 5);
    const page = events.filter((_, i) => i !== 2);
    const { chain } = verifyRun(held, page, CONTEXT);
    expect(findLinkGaps(chain, [stubOf(events[2]!)])).toEqual([]);
    expect(findLinkGaps(chain)).toHaveLength(1);
  });

  it('can not be invented or exchanged', () => {
    const { events, held } = talk('stub-lie', 5);
    const page = events.filter((_, i) => i !== 2);
    const { chain } = verifyRun(held, page, CONTEXT);
    const wrong = { ...stubOf(events[2]!), linkHash: flip(stubOf(events[2]!).linkHash, 0) };
    expect(findLinkGaps(chain, [wrong])).toEqual([{ kind: 'missing', afterIter: 2, beforeIter: 3 }]);
    // moved behind the message that links to it, it explains nothing
    const moved = { ...stubOf(events[2]!), iter: 9 };
    expect(findLinkGaps(chain, [moved])).toEqual([{ kind: 'missing', afterIter: 1, beforeIter: 3 }]);
    const otherChain = { ...stubOf(events[2]!), chainId: new Uint8Array(8) };
    expect(findLinkGaps(chain, [otherChain])).toHaveLength(1);
    // a stub where the sender skipped a position
    const { ada, held: second } = pair('stub-invented');
    const first = ada.say('one');
    ada.trySay('refused');
    ada.chain = refuseSend(ada.chain, ada.chain.pending!.eventId);
    const run = verifyRun(second, [first, ada.say('three')], CONTEXT);
    const invented = { ...stubOf(first), iter: 1, linkHash: new Uint8Array(32).fill(1) };
    expect(findLinkGaps(run.chain, [invented])).toEqual([{ kind: 'contradicted', iter: 2, delivered: [1] }]);
  });

  it('do not hide a message that was opened', () => {
    const { events, held } = talk('stub-seen', 3);
    const { chain } = verifyRun(held, events, CONTEXT);
    const lie = { ...stubOf(events[1]!), linkHash: new Uint8Array(32) };
    expect(findLinkGaps(chain, [lie])).toEqual([]);
  });

  it('read as withheld without a redaction or an elapsed lifetime', () => {
    const evidence = { redacted: false, serverTime: NOW };
    expect(judgeStub(evidence)).toBe('withheld');
    expect(judgeStub({ ...evidence, redacted: true })).toBe('redacted');
    expect(judgeStub({ ...evidence, expiresAt: NOW + 1 })).toBe('withheld');
    expect(judgeStub({ ...evidence, expiresAt: NOW })).toBe('expired');
  });

  it('a joiner is not told that what came before is missing', () => {
    const { ada } = pair('joined-late');
    ada.say('before');
    const held = received(ada.who, acknowledgeSend(ada.chain, new Uint8Array(16)));
    const { chain } = verifyRun(held, [ada.say('first seen'), ada.say('second')], CONTEXT);
    expect(findLinkGaps(chain)).toEqual([{ kind: 'earlier', iter: 1 }]);
    expect(chain.startIter).toBe(1);
  });
});
