// Key structures arrive as base64url and are checked by src/crypto/verify.ts; its errors become typed refusals.
import { CryptoError, fromBase64Url, toBase64Url } from '#crypto/verify.ts';
import { AppError } from '#shared/errors.ts';

/** Bytes of a base64url string. Throws `bad_input` where the encoding is not the only one of its bytes. */
export function decodeBytes(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(fromBase64Url(text));
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new AppError({ code: 'bad_input', issues: [{ path: '', message: 'not canonical base64url' }] });
  }
}

/** base64url without padding. */
export const encodeBytes = (bytes: Uint8Array): string => toBase64Url(bytes);

/** Runs a check; what does not verify is `bad_proof` and names the structure, never its bytes. */
export function requireProof<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (cause instanceof CryptoError) throw new AppError({ code: 'bad_proof', what });
    throw cause;
  }
}
