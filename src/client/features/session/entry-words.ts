// Why a way in did not open, in words.
import { failureWords } from '#client/features/conversation/failure-words.ts';
import { t } from '#client/lib/i18n.ts';
import { limits } from '#shared/limits.ts';
import type { EntryFailure } from './entry-failure.ts';
import type { FactorPrompt } from './factor-prompt.svelte.ts';
import type { NameFault } from './registration.svelte.ts';

/** What to do in the second step. */
export const factorLead = (prompt: FactorPrompt): string =>
  prompt.typed === 'totp' ? t('factor.lead') : t('factor.backupLead');

/** The words for what is wrong with a username; undefined when nothing is. */
export function usernameWords(
  fault: NameFault | 'session.usernameTaken' | 'account.sameName' | null,
): string | undefined {
  switch (fault) {
    case null:
      return undefined;
    case 'session.usernameShort':
      return t(fault, { min: limits.usernameMin });
    case 'session.usernameLong':
      return t(fault, { max: limits.usernameMax });
    default:
      return t(fault);
  }
}

/** The words for a failure: what happened, then what to do. */
export function entryWords(failure: EntryFailure): string {
  switch (failure.code) {
    case 'weak_kdf':
      return t('error.weak_kdf');
    case 'old_vault':
      return t('error.old_vault');
    case 'keys':
      return t('error.keys');
    case 'passkey_cancelled':
      return t('error.passkey_cancelled');
    case 'passkey_known':
      return t('error.passkey_known');
    case 'passkey_failed':
      return t('error.passkey_failed');
    default:
      return failureWords(failure);
  }
}
