// Why a way in did not open, in words.
import { failureWords } from '#client/features/conversation/failure-words.ts';
import { t } from '#client/lib/i18n.ts';
import type { EntryFailure } from './session.svelte.ts';

/** The words for a failure: what happened, then what to do. */
export function entryWords(failure: EntryFailure): string {
  switch (failure.code) {
    case 'weak_kdf':
      return t('error.weak_kdf');
    case 'old_vault':
      return t('error.old_vault');
    case 'keys':
      return t('error.keys');
    default:
      return failureWords(failure);
  }
}
