// Events that can not be opened yet because their key has not come (protocol 3.9): remembered per channel, bounded,
// oldest out first. Only references are kept; the ciphertext stays in the channel's log.
import { MAX_PARKED_PER_CHANNEL } from './constants.ts';
import { idKey } from './ids.ts';

/** One waiting event. `waitsFor` is chainKeyName() or dmKeyName() of the key it needs. */
export interface ParkedEvent {
  readonly eventId: Uint8Array;
  readonly seq: number;
  readonly waitsFor: string;
}

/** What waits for the key of a sender chain. */
export function chainKeyName(chainId: Uint8Array): string {
  return `chain/${idKey(chainId)}`;
}

/** What waits for the key packet of one direct message. */
export function dmKeyName(eventId: Uint8Array): string {
  return `dm/${idKey(eventId)}`;
}

/**
 * Adds an event, in seq order and once; over 500 the lowest seqs go (they are older history and can be parked again
 * when their page is read).
 */
export function parkEvent(parked: readonly ParkedEvent[], event: ParkedEvent): readonly ParkedEvent[] {
  if (parked.some((other) => other.seq === event.seq)) return parked;
  const after = parked.findIndex((other) => other.seq > event.seq);
  const at = after < 0 ? parked.length : after;
  const next = [...parked.slice(0, at), event, ...parked.slice(at)];
  return next.slice(Math.max(0, next.length - MAX_PARKED_PER_CHANNEL));
}

/** The events that waited for this key, in seq order, and the others. */
export function takeParked(
  parked: readonly ParkedEvent[],
  keyName: string,
): { ready: readonly ParkedEvent[]; parked: readonly ParkedEvent[] } {
  return {
    ready: parked.filter((event) => event.waitsFor === keyName),
    parked: parked.filter((event) => event.waitsFor !== keyName),
  };
}
