// What a code that did not match means, and what to do. Every way it can go wrong has its own words: the wrong person,
// an old code and somebody in between are different things to do.
import type { CodeVerdict } from '#client/crypto/protocol.ts';
import { t } from '#client/lib/i18n.ts';
import type { AccountId } from '#shared/ids.ts';

export interface VerdictWords {
  /** `danger`: somebody may be in between. `warn`: the wrong code was shown. */
  readonly tone: 'warn' | 'danger';
  readonly title: string;
  readonly text: string;
}

export function verdictWords(
  verdict: Exclude<CodeVerdict, { kind: 'match' }> | { kind: 'nothing' },
  name: string,
  nameOf: (accountId: AccountId) => string,
): VerdictWords {
  switch (verdict.kind) {
    case 'nothing':
      return { tone: 'warn', title: t('verify.nothingTitle'), text: t('verify.nothingText') };
    case 'not_a_code':
      return { tone: 'warn', title: t('verify.notACodeTitle'), text: t('verify.notACodeText', { name }) };
    case 'newer_version':
      return { tone: 'warn', title: t('verify.newerTitle'), text: t('verify.newerText') };
    case 'own':
      return { tone: 'warn', title: t('verify.ownTitle'), text: t('verify.ownText', { name }) };
    case 'other_person': {
      const other = nameOf(verdict.accountId);
      return {
        tone: 'warn',
        title: t('verify.otherPersonTitle', { other, name }),
        text: t('verify.otherPersonText', { other, name }),
      };
    }
    case 'for_other': {
      const other = nameOf(verdict.accountId);
      return {
        tone: 'warn',
        title: t('verify.forOtherTitle', { other, name }),
        text: t('verify.forOtherText', { name }),
      };
    }
    case 'old_identity':
      return { tone: 'warn', title: t('verify.oldTitle', { name }), text: t('verify.oldText', { name }) };
    case 'other_identity':
      return {
        tone: 'danger',
        title: t('verify.otherIdTitle', { name }),
        text: t('verify.otherIdText', { name }),
      };
    case 'sees_other_you':
      return {
        tone: 'danger',
        title: t('verify.otherYouTitle', { name }),
        text: t('verify.otherYouText', { name }),
      };
  }
}
