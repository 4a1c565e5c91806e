// One shield per person: what an identity view looks like, and the words for it.
import type { IdentityView } from '#client/crypto/protocol.ts';
import { formatDate } from '#client/lib/format.ts';
import { t } from '#client/lib/i18n.ts';
import type { ShieldState } from '#client/ui/presence-type.ts';

/** The shield of a person; `unchecked` also while nothing is known. */
export function shieldOf(view: IdentityView | null): ShieldState {
  switch (view?.state) {
    case 'verified':
      return view.verified?.how === 'invite' ? 'linked' : 'verified';
    case 'you_reset':
      return 'again';
    case 'held':
    case 'blocked':
      return 'changed';
    case 'unverified':
    case 'unknown':
    case undefined:
      return 'unchecked';
  }
}

/** Where only what stands out is marked: nothing for people nobody checked. */
export const markOf = (view: IdentityView | null): ShieldState | undefined => {
  const shield = shieldOf(view);
  return shield === 'unchecked' ? undefined : shield;
};

export interface ShieldWords {
  readonly title: string;
  readonly text: string;
}

/** What the shield of a person means, in two sentences at most. */
export function shieldWords(view: IdentityView | null, name: string, now: number): ShieldWords {
  const date = formatDate(view?.verified?.at ?? now, now);
  switch (shieldOf(view)) {
    case 'verified':
      return {
        title: t('verify.verifiedTitle', { name }),
        text: view?.verified?.how === 'code' ? t('verify.byCode', { date }) : t('verify.byDigits', { date }),
      };
    case 'linked':
      return { title: t('verify.linkedTitle', { name }), text: t('verify.linkedText', { name }) };
    case 'again':
      return { title: t('verify.againTitle', { name }), text: t('verify.againText') };
    case 'unchecked':
      return { title: t('verify.uncheckedTitle', { name }), text: t('verify.uncheckedText', { name }) };
    case 'changed':
      return alarmWords(view, name);
  }
}

/** What stands against a person, and what it means for sending. */
export function alarmWords(view: IdentityView | null, name: string): ShieldWords {
  if (view?.alarm === 'reset' && view.verified?.how === 'invite')
    return { title: t('verify.notInviterTitle', { name }), text: t('verify.notInviterText', { name }) };
  if (view?.alarm === 'reset')
    return {
      title: t('secure.identityChangedTitle', { name }),
      text:
        view.state === 'blocked' ? t('verify.blockedText', { name }) : t('secure.identityHeldText', { name }),
    };
  return { title: t('secure.identityBrokenTitle', { name }), text: t('secure.identityBrokenText', { name }) };
}
