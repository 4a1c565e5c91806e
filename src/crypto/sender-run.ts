// Whole pages of sender-key messages (protocol 3.9, P6): one signature check per contiguous run instead of one per
// message, and the search for what the server left out, by the links between a sender's messages.
import { equalBytes, toHex } from './bytes.ts';
import { HASH_BYTES } from './constants.ts';
import type { IncomingEvent } from './dm-message.ts';
import type { EventClass } from './envelope.ts';
import { CryptoError, type CryptoErrorCode } from './errors.ts';
import { type ReceiverChain, seenAt } from './receiver-chain.ts';
import {
  checkPlace,
  type GroupMessage,
  type OpenedGroupEvent,
  openVerified,
  parseGroupEvent,
  type ReceiveContext,
  type SigningChain,
  verifyMessageSignature,
} from './sender-key.ts';

/** What is left of a redacted or expired event; the server's word, checked by the links around it. */
export interface EventStub {
  readonly eventId: Uint8Array;
  readonly seq: number;
  readonly class: EventClass;
  readonly chainId: Uint8Array;
  readonly iter: number;
  readonly linkHash: Uint8Array;
}

/** The outcome for one event of a page. */
export type RunResult =
  | { readonly ok: true; readonly opened: OpenedGroupEvent }
  | { readonly ok: false; readonly event: IncomingEvent; readonly code: CryptoErrorCode };

/** What a page turned into. `signaturesChecked` counts the expensive part. */
export interface RunOutcome {
  readonly chain: ReceiverChain;
  readonly results: readonly RunResult[];
  readonly signaturesChecked: number;
}

/** Something the links say about a sender's messages. Positions are iters of the chain. */
export type LinkFinding =
  /** The first message held links to one before it that is not here (an older page, or withheld). */
  | { readonly kind: 'earlier'; readonly iter: number }
  /** At least one acknowledged message between these two positions is not here. */
  | { readonly kind: 'missing'; readonly afterIter: number; readonly beforeIter: number }
  /** The sender was told these positions were refused, yet the server delivered something for them. */
  | { readonly kind: 'contradicted'; readonly iter: number; readonly delivered: readonly number[] };

/**
 * Opens events of one chain, given in seq order. In each contiguous run (every message links to the one before) only
 * the newest valid signature is checked; it covers the links, and they cover the messages. A message that fails is
 * reported and changes nothing; a message whose position does not rise along seq fails as `mismatch` (reordered).
 */
export function verifyRun(
  chain: ReceiverChain,
  events: readonly IncomingEvent[],
  context: ReceiveContext,
): RunOutcome {
  const results: RunResult[] = [];
  const accepted: { at: number; message: GroupMessage }[] = [];
  let { minCreatedAt } = context;
  events.forEach((event, at) => {
    try {
      const message = parseGroupEvent(event);
      checkPlace(chain, message, { ...context, minCreatedAt });
      minCreatedAt = event.createdAt;
      accepted.push({ at, message });
    } catch (error) {
      results[at] = { ok: false, event, code: codeOf(error) };
    }
  });
  const { genuine, checked } = verifySignatures(
    chain,
    accepted.map((item) => item.message),
  );
  let current = chain;
  accepted.forEach(({ at, message }, i) => {
    const { event } = message;
    if (!genuine[i]) {
      results[at] = { ok: false, event, code: 'bad_signature' };
      return;
    }
    try {
      const step = openVerified(current, message, context.now);
      current = step.chain;
      results[at] = { ok: true, opened: step.opened };
    } catch (error) {
      results[at] = { ok: false, event, code: codeOf(error) };
    }
  });
  return { chain: current, results, signaturesChecked: checked };
}

/**
 * Checks the one signature a contiguous run needs, that of its newest message; what verifyRun will ask for first.
 * Throws `bad_signature`, `malformed`, `unsupported`.
 */
export function verifyNewest(chain: SigningChain, events: readonly IncomingEvent[]): void {
  const newest = events.at(-1);
  if (newest) verifyMessageSignature(chain, parseGroupEvent(newest));
}

/** From the newest message down: a checked signature vouches for the message it links to, and so on down the run. */
function verifySignatures(
  chain: ReceiverChain,
  messages: readonly GroupMessage[],
): { genuine: boolean[]; checked: number } {
  const genuine = messages.map(() => false);
  let checked = 0;
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i]!;
    const next = messages[i + 1];
    if (next && genuine[i + 1] && equalBytes(next.prev, message.link)) {
      genuine[i] = true;
      continue;
    }
    checked++;
    genuine[i] = signatureHolds(chain, message);
  }
  return { genuine, checked };
}

function signatureHolds(chain: ReceiverChain, message: GroupMessage): boolean {
  try {
    verifyMessageSignature(chain, message);
    return true;
  } catch {
    return false;
  }
}

/**
 * Compares every held message with the one its sender says came before it. Independent of the order of arrival; stubs
 * stand in for redacted and expired messages.
 */
export function findLinkGaps(chain: ReceiverChain, stubs: readonly EventStub[] = []): LinkFinding[] {
  const entries = linkEntries(chain, stubs);
  const positionOf = new Map(entries.map((entry) => [toHex(entry.link), entry.iter]));
  const findings: LinkFinding[] = [];
  entries.forEach(({ iter, prev }, i) => {
    if (!prev) return; // a stub: what it linked to went with its payload
    const before = entries[i - 1];
    const fromStart = equalBytes(prev, chain.certHash);
    if (before ? equalBytes(prev, before.link) : fromStart) return;
    const linked = fromStart ? -1 : positionOf.get(toHex(prev));
    if (linked !== undefined && linked < iter) {
      const delivered = entries.map((e) => e.iter).filter((other) => other > linked && other < iter);
      findings.push({ kind: 'contradicted', iter, delivered });
    } else if (before) {
      findings.push({ kind: 'missing', afterIter: before.iter, beforeIter: iter });
    } else {
      findings.push({ kind: 'earlier', iter });
    }
  });
  return findings;
}

interface LinkEntry {
  readonly iter: number;
  readonly link: Uint8Array;
  readonly prev: Uint8Array | null;
}

/** Opened messages and the stubs of positions not opened, ascending. */
function linkEntries(chain: ReceiverChain, stubs: readonly EventStub[]): LinkEntry[] {
  const opened = chain.seenIters.map((iter) => ({ iter, ...seenAt(chain, iter)! }));
  const known = new Set(chain.seenIters);
  const gone = stubs
    .filter((stub) => equalBytes(stub.chainId, chain.chainId) && stub.linkHash.length === HASH_BYTES)
    .filter((stub) => !known.has(stub.iter))
    .map((stub) => ({ iter: stub.iter, link: stub.linkHash, prev: null }));
  return [...opened, ...gone].sort((a, b) => a.iter - b.iter);
}

/** What the client itself knows about a removed event. */
export interface StubEvidence {
  /** A verified redact event of the author or of a moderator names it. */
  readonly redacted: boolean;
  /** Server time at which the ttl signed in its envelope ran out, if the envelope was ever seen. */
  readonly expiresAt?: number | undefined;
  /** Server time of the newest event of the channel. */
  readonly serverTime: number;
}

/** How a stub is shown: removed by somebody entitled, run out, or kept back by the server without a reason. */
export function judgeStub(evidence: StubEvidence): 'redacted' | 'expired' | 'withheld' {
  if (evidence.redacted) return 'redacted';
  if (evidence.expiresAt !== undefined && evidence.serverTime >= evidence.expiresAt) return 'expired';
  return 'withheld';
}

function codeOf(error: unknown): CryptoErrorCode {
  if (error instanceof CryptoError) return error.code;
  throw error;
}
