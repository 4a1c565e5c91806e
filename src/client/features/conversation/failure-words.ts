// What happened and what to do, for every failure there is. Exhaustive: a new code without words is a type error.
import type { CallFailure } from '#client/api/errors.ts';
import { t, type MessageKey } from '#client/lib/i18n.ts';
import type { ForbiddenReason } from '#shared/errors.ts';

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
const minutes = (ms: number): number => Math.max(1, Math.ceil(ms / 60_000));

export function failureWords(failure: CallFailure): string {
  switch (failure.code) {
    case 'unreachable':
      return t('error.offline');
    case 'forbidden':
      return t(`forbidden.${failure.reason}`);
    case 'locked_out':
      return t('error.locked_out', { n: minutes(failure.retryAfterMs) });
    case 'bad_second_factor':
      return t('error.bad_second_factor', { n: failure.triesLeft });
    case 'rate_limited':
      return t('error.rate_limited', { n: seconds(failure.retryAfterMs) });
    case 'slow_mode':
      return t('error.slow_mode', { n: seconds(failure.retryAfterMs) });
    case 'limit_reached':
      return t('error.limit_reached', { max: failure.max });
    case 'internal':
      return t('error.internal', { requestId: failure.requestId });
    default:
      return t(`error.${failure.code}`);
  }
}

/** Why one may not do something here. */
export const refusalWords = (reason: ForbiddenReason | 'not_found'): string =>
  reason === 'not_found' ? t('error.not_found') : t(`forbidden.${reason}`);

/** Codes the outbox keeps with a draft it gave up (sync/outbox.svelte.ts). */
const DRAFT_FAILURES: Readonly<Record<string, MessageKey>> = {
  keys_unavailable: 'failed.keysUnavailable',
  keys_invalid: 'failed.keysInvalid',
  identity_changed: 'failed.identityChanged',
  not_encrypted: 'failed.notEncrypted',
  forbidden: 'error.forbidden',
  not_found: 'failed.gone',
  conflict: 'error.conflict',
  bad_proof: 'error.bad_proof',
  bad_input: 'failed.notEncrypted',
  too_large: 'error.too_large',
  mailbox_full: 'error.mailbox_full',
  disk_low: 'error.disk_low',
  device_required: 'error.device_required',
  session_revoked: 'error.session_revoked',
};

/** Why a message was not sent, for the line below it. */
export function draftFailureWords(failure: string): string {
  const key = DRAFT_FAILURES[failure];
  return key === undefined ? t('error.unknown') : plain(key);
}

/** Only entries without parameters stand in the table above. */
const plain = t as (key: MessageKey) => string;
