// Invite links. The fragment names their maker's identity; browsers do not send fragments, so the server never sees
// what it is held against.
import { paths } from './paths.ts';

const PIN = /^[A-Za-z0-9_-]{43}$/;
const KEY = 'chatalot.invite-pin.';

/** The whole link, as it is handed on. `pin`: the maker's AID, base64url. */
export const inviteUrl = (code: string, pin: string | null): string =>
  `${location.origin}${paths.invite(code)}${pin === null ? '' : `#${pin}`}`;

/**
 * What the link that was followed says of its maker, or null. Kept for this tab, because the steps of registering are
 * fragments of the same address.
 */
export function pinOf(code: string, fragment: string): string | null {
  if (PIN.test(fragment)) sessionStorage.setItem(KEY + code, fragment);
  return sessionStorage.getItem(KEY + code);
}

/** Joined: nothing is left of the link in this tab. */
export const forgetPin = (code: string): void => sessionStorage.removeItem(KEY + code);
