// Usernames without the schema library: the log-in page checks one and loads nothing more for it.
import { limits } from './limits.ts';

/** After trimming, in lower case. */
export const usernamePattern = /^[a-z0-9_.-]+$/;

/** The name as it is kept; null for what can be nobody's. */
export function asUsername(typed: string): string | null {
  const name = typed.trim().toLowerCase();
  const isFitting = name.length >= limits.usernameMin && name.length <= limits.usernameMax;
  return isFitting && usernamePattern.test(name) ? name : null;
}
