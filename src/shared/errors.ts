// The closed union of error codes with their typed payloads. The server maps it to tRPC in one place,
// the client maps it to words in one place.
import type { DeviceRef, DeviceId } from './ids.ts';
import type { FactorMethod } from './second-factor.ts';

export interface InputIssue {
  readonly path: string;
  readonly message: string;
}

export type AppErrorPayload =
  | { readonly code: 'bad_input'; readonly issues: readonly InputIssue[] }
  | { readonly code: 'unauthenticated' }
  | { readonly code: 'session_revoked' }
  /** The session has no attached device yet (protocol P9). */
  | { readonly code: 'device_required' }
  | { readonly code: 'bad_credentials' }
  /** The password was right; the call is repeated with one of these. */
  | { readonly code: 'second_factor_required'; readonly methods: readonly FactorMethod[] }
  /** A code that is wrong, too old or used, or a passkey that does not fit. */
  | { readonly code: 'bad_second_factor'; readonly triesLeft: number }
  /** Fresh proof of the person is needed first: `auth.reauthenticate`, then the same call again. */
  | { readonly code: 'reauthentication_required' }
  /** A link to set a new password that is used up, too old or none. */
  | { readonly code: 'reset_invalid' }
  | { readonly code: 'locked_out'; readonly retryAfterMs: number }
  | { readonly code: 'rate_limited'; readonly retryAfterMs: number }
  | { readonly code: 'setup_required' }
  | { readonly code: 'setup_done' }
  | { readonly code: 'bad_setup_token' }
  | { readonly code: 'registration_closed' }
  | { readonly code: 'invite_required' }
  | { readonly code: 'invite_invalid' }
  | { readonly code: 'taken' }
  | { readonly code: 'not_found' }
  | { readonly code: 'forbidden'; readonly reason: ForbiddenReason }
  | { readonly code: 'conflict'; readonly what: string }
  /** A key structure did not verify: account log entry, prekey set, attach signature, envelope. */
  | { readonly code: 'bad_proof'; readonly what: string }
  | { readonly code: 'limit_reached'; readonly limit: string; readonly max: number }
  | { readonly code: 'too_large'; readonly maxBytes: number }
  | { readonly code: 'slow_mode'; readonly retryAfterMs: number }
  | { readonly code: 'stale_epoch'; readonly epoch: number }
  | {
      readonly code: 'stale_devices';
      readonly missing: readonly DeviceRef[];
      readonly gone: readonly DeviceRef[];
    }
  | { readonly code: 'mailbox_full'; readonly devices: readonly DeviceId[] }
  | { readonly code: 'disk_low' }
  | { readonly code: 'draining' }
  | { readonly code: 'internal'; readonly requestId: string };

export type AppErrorCode = AppErrorPayload['code'];

export type ForbiddenReason =
  | 'permission' // a permission bit is missing
  | 'rank' // acting on people needs a strictly higher rank
  | 'protected' // instance staff are protected from community staff
  | 'self' // not on oneself
  | 'owner' // the owner cannot leave, be kicked or be banned
  | 'read_only'
  | 'archived'
  | 'timed_out'
  | 'banned'
  | 'suspended'
  | 'not_author';

/** Thrown by services; one mapping turns it into a tRPC error. The message is the code: safe to log. */
export class AppError extends Error {
  readonly payload: AppErrorPayload;
  constructor(payload: AppErrorPayload) {
    super(payload.code);
    this.name = 'AppError';
    this.payload = payload;
  }
}

export const notFound = (): AppError => new AppError({ code: 'not_found' });
export const forbidden = (reason: ForbiddenReason): AppError => new AppError({ code: 'forbidden', reason });
