// What a new password has to be, wherever one is set. It is judged here only: the server never sees it.
import { estimatePassword } from '#client/lib/password-strength.ts';
import { limits } from '#shared/limits.ts';

/** `hints`: the person's own names, which count for little in a password. */
export function isPasswordGood(password: string, hints: string[]): boolean {
  const isShortEnough = [...password].length <= limits.passwordMax;
  return isShortEnough && estimatePassword(password, limits.passwordMin, hints).acceptable;
}

/** The key of the words for what is wrong with it; null when nothing is. */
export function newPasswordFault(
  password: string,
  hints: string[],
): 'session.passwordMissing' | 'session.passwordRefused' | null {
  if (password === '') return 'session.passwordMissing';
  return isPasswordGood(password, hints) ? null : 'session.passwordRefused';
}
