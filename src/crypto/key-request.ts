// Who gets a missing sender-chain key (protocol 3.9): the answering client decides from what it recorded itself, and
// what it withholds it withholds with a reason the asker's screen prints.
import { type PeerDevice } from './authenticated.ts';
import { equalBytes } from './bytes.ts';
import { encodePairwise, type KeyRequestPayload, type WithheldCode } from './pairwise.ts';
import { type SenderChain, senderChainPacket, wasReaderAtStart } from './sender-chain.ts';

/** What the answering client knows about the asking device, whose session proved who it is. */
export interface Asker {
  readonly device: PeerDevice;
  /** The account log certifies the device and has not revoked it. */
  readonly live: boolean;
  /** The account can read the channel now. */
  readonly member: boolean;
  /** First position of this chain the device was given before, if any. */
  readonly givenFrom?: number | undefined;
}

/** A chain as this device can hand it on: `chainKey` is that of message `iter`. Holds a secret. */
export interface HeldChain {
  readonly channelId: Uint8Array;
  readonly chainId: Uint8Array;
  readonly cert: Uint8Array;
  readonly shareable: boolean;
  readonly ephemeral?: boolean | undefined;
  readonly iter: number;
  readonly chainKey: Uint8Array;
}

/** The chain asked for: an own one, or one as this device holds it from whomever. */
export type RequestedChain =
  | { readonly kind: 'owned'; readonly chain: SenderChain | undefined }
  | { readonly kind: 'held'; readonly chain: HeldChain | undefined; readonly ownAid: Uint8Array };

/** `packet` goes back over the asker's session; `startIter` is remembered as given. */
export type KeyAnswer =
  | { readonly answer: true; readonly startIter: number; readonly packet: Uint8Array }
  | { readonly answer: false; readonly code: WithheldCode; readonly packet: Uint8Array };

/**
 * Decides one request. Members at the chain's start may read all of it; later members from the position they were given,
 * or all of it when the chain was made shareable; others nothing. A chain that is gone, or that belongs to another
 * channel than the request says, is `too-old`.
 */
export function answerKeyRequest(
  request: KeyRequestPayload,
  asker: Asker,
  requested: RequestedChain,
): KeyAnswer {
  if (!asker.live) return withhold(request, 'revoked');
  if (!asker.member) return withhold(request, 'not-member');
  return requested.kind === 'owned'
    ? answerForOwned(request, asker, requested.chain)
    : answerForHeld(request, asker, requested);
}

/** What this device asked for: a chain that its sender signed to be one every reader may hand on, or not. */
export interface AskedChain {
  readonly channelId: Uint8Array;
  readonly chainId: Uint8Array;
  readonly isShared: boolean;
}

/** Another account's word about a third one's chain. */
export interface HandedOn {
  readonly channelId: Uint8Array;
  readonly chainId: Uint8Array;
  /** AID of who hands it on, as the session proved it. */
  readonly from: Uint8Array;
}

/**
 * Whether history somebody else hands on counts: only of the very chain that was asked for, as one that may be shared, and
 * from an account that reads the channel. `readers` are AIDs as this device knows them (A61, A72).
 */
export function isHistoryWanted(
  handed: HandedOn,
  asked: AskedChain | undefined,
  readers: readonly Uint8Array[],
): boolean {
  if (!asked?.isShared || !isAskedFor(handed, asked)) return false;
  return readers.some((aid) => equalBytes(aid, handed.from));
}

function answerForOwned(request: KeyRequestPayload, asker: Asker, chain: SenderChain | undefined): KeyAnswer {
  if (!chain || !isAskedFor(request, chain) || request.iter > chain.iter) return withhold(request, 'too-old');
  const own = equalBytes(asker.device.aid, chain.owner.aid);
  const lowest = own || chain.shareable || wasReaderAtStart(chain, asker.device.aid) ? 0 : asker.givenFrom;
  // somebody who joined since and asks for the next message is entitled to it whatever was given
  if (request.iter < (lowest ?? chain.iter)) return withhold(request, 'not-shareable');
  // all of a chain that may be shared: who scrolls back need not ask again
  const startIter = chain.shareable ? 0 : request.iter;
  return { answer: true, startIter, packet: senderChainPacket(chain, startIter) };
}

function answerForHeld(
  request: KeyRequestPayload,
  asker: Asker,
  requested: Extract<RequestedChain, { kind: 'held' }>,
): KeyAnswer {
  const { chain, ownAid } = requested;
  if (!chain || !isAskedFor(request, chain)) return withhold(request, 'too-old');
  if (chain.ephemeral) return withhold(request, 'not-shareable');
  if (!equalBytes(asker.device.aid, ownAid) && !chain.shareable) return withhold(request, 'not-shareable');
  // the keys of earlier messages were dropped when they were used
  if (request.iter < chain.iter) return withhold(request, 'too-old');
  const { cert, chainKey, iter: startIter } = chain;
  const packet = encodePairwise({ kind: 'forwarded-chain', cert, startIter, chainKey });
  return { answer: true, startIter, packet };
}

function isAskedFor(
  request: Pick<KeyRequestPayload, 'channelId' | 'chainId'>,
  chain: { readonly channelId: Uint8Array; readonly chainId: Uint8Array },
): boolean {
  return equalBytes(request.channelId, chain.channelId) && equalBytes(request.chainId, chain.chainId);
}

function withhold(request: KeyRequestPayload, code: WithheldCode): KeyAnswer {
  const { channelId, chainId } = request;
  return { answer: false, code, packet: encodePairwise({ kind: 'withheld', channelId, chainId, code }) };
}
