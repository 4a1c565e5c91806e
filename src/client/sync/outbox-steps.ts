// What comes of one attempt to send a draft, and when there is another. Pure: what the server or the engine answered goes in,
// what to do goes out; the outbox does it and does the waiting.
import { failureOf } from '#client/api/errors.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import { limits } from '#shared/limits.ts';
import type { SendAck } from '#shared/messages.ts';

/** Nothing more is to be done about the draft: the next one of the conversation may go. */
export type Ending =
  | { readonly kind: 'accepted'; readonly ack: SendAck }
  | { readonly kind: 'known' } // the server has it: another tab sent it, or it was sent in another shape
  | { readonly kind: 'refused'; readonly failure: string };

/** It is tried again, so long as there is patience with what keeps it. */
export type Retry =
  | { readonly kind: 'again'; readonly why: 'stale_epoch' | 'stale_devices' } // keys changed: encrypt anew
  | { readonly kind: 'busy' } // another tab is at an event of this channel, and may have to wait for keys
  | { readonly kind: 'later'; readonly waitMs: number; readonly counts: boolean };

export type Step = Ending | Retry | { readonly kind: 'paused' }; // paused: until the connection is back

/** What one draft has been shown so far. By what was waited, not by the clock: a machine that slept has shown nobody patience. */
export interface Patience {
  /** Attempts that count. */
  readonly tries: number;
  /** Waited for a new device's keys, or for another tab, ms. */
  readonly waitedMs: number;
  /** The next wait for a new device's keys, ms. */
  readonly nextMs: number;
}

const TRIES = 4;
/** A device that is being added has no keys for a moment: its owner's messages wait for them, not fail. */
const NEW_DEVICE_PATIENCE_MS = limits.newDeviceMs + 60_000;
const NEW_DEVICE_WAIT_MIN_MS = 250;
const NEW_DEVICE_WAIT_MAX_MS = 10_000;
const BUSY_WAIT_MS = 1000;
const INTERNAL_WAIT_MS = 2000;

export const isEnding = (step: Step): step is Ending =>
  step.kind === 'accepted' || step.kind === 'known' || step.kind === 'refused';

export const UNTRIED: Patience = { tries: 0, waitedMs: 0, nextMs: 0 };

/** False when the draft was tried as often as it may be. */
export const hasTries = ({ tries }: Patience): boolean => tries < TRIES;

/** Before the next attempt: how long to wait, ms (null: go on at once), and what the draft has been shown then. */
export function afterRetry(
  patience: Patience,
  step: Retry,
): { readonly waitMs: number | null; readonly patience: Patience } {
  const tried = { ...patience, tries: patience.tries + 1 };
  switch (step.kind) {
    case 'again': {
      if (step.why === 'stale_epoch' || patience.waitedMs >= NEW_DEVICE_PATIENCE_MS)
        return { waitMs: null, patience: tried };
      const waitMs = patience.nextMs;
      const nextMs = Math.min(Math.max(NEW_DEVICE_WAIT_MIN_MS, waitMs * 2), NEW_DEVICE_WAIT_MAX_MS);
      return { waitMs, patience: { ...patience, waitedMs: patience.waitedMs + waitMs, nextMs } };
    }
    case 'busy': {
      const waitedMs = patience.waitedMs + BUSY_WAIT_MS;
      const base = waitedMs < NEW_DEVICE_PATIENCE_MS ? patience : tried;
      return { waitMs: BUSY_WAIT_MS, patience: { ...base, waitedMs } };
    }
    case 'later':
      return { waitMs: step.waitMs, patience: step.counts ? tried : patience };
  }
}

/** Two tabs may hold the same drafts for a moment, when one takes over from the other: what the other did counts. */
function stepAfterEngine({ code }: CryptoCallError): Step {
  switch (code) {
    case 'replay':
      return { kind: 'known' };
    case 'not_allowed':
      return { kind: 'busy' };
    case 'identity_reset':
      return { kind: 'refused', failure: 'identity_changed' };
    default:
      return { kind: 'refused', failure: 'not_encrypted' };
  }
}

/** What an attempt that failed means. */
export function stepAfter(error: unknown): Step {
  if (error instanceof CryptoCallError) return stepAfterEngine(error);
  const failure = failureOf(error);
  switch (failure.code) {
    case 'unreachable':
    case 'draining':
    case 'unauthenticated':
      return { kind: 'paused' };
    case 'rate_limited':
    case 'slow_mode':
      return { kind: 'later', waitMs: failure.retryAfterMs, counts: false };
    case 'internal':
      return { kind: 'later', waitMs: INTERNAL_WAIT_MS, counts: true };
    case 'conflict':
      // The server has it, as it was encrypted before.
      return failure.what === 'eventId' ? { kind: 'known' } : { kind: 'refused', failure: failure.code };
    case 'stale_epoch':
    case 'stale_devices':
      return { kind: 'again', why: failure.code };
    default:
      return { kind: 'refused', failure: failure.code };
  }
}
