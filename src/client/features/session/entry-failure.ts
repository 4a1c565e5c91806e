// Why a way in did not open: a typed answer of the server, a code of the crypto worker, or what the browser says about
// a passkey.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import { PasskeyError } from './passkey-support.ts';

export type EntryFailure =
  | CallFailure
  | { readonly code: 'weak_kdf' | 'old_vault' | 'keys' }
  | { readonly code: PasskeyError['code'] };

/** What went wrong on the way in. */
export function entryFailure(error: unknown): EntryFailure {
  if (error instanceof PasskeyError) return { code: error.code };
  if (!(error instanceof CryptoCallError)) return failureOf(error);
  if (error.code === 'weak_kdf') return { code: 'weak_kdf' };
  return { code: error.code === 'stale_record' ? 'old_vault' : 'keys' };
}
