// The one error type of src/crypto. `detail` is static text chosen by the throwing line: never input bytes, key
// material or user text, so an error may be logged as it is (test A97).

/** Every way a cryptographic operation refuses. Closed: callers switch over it exhaustively. */
export type CryptoErrorCode =
  | 'malformed' // bytes that do not decode, or do not decode canonically
  | 'unsupported' // a version, suite, operation or flag this build does not know
  | 'bad_key' // a public key that fails its import check
  | 'bad_signature' // a signature that does not verify
  | 'bad_mac' // an AEAD tag or commitment that does not verify
  | 'limit' // a bound of constants.ts would be exceeded
  | 'replay' // something single-use was seen before
  | 'unknown_session' // no session for this sid
  | 'unknown_chain' // no sender chain for this chain id
  | 'unknown_prekey' // a prekey set or one-time unit this device does not (any more) hold
  | 'unknown_device' // a device the account log does not certify
  | 'expired' // past its signed notAfter
  | 'revoked' // a device the account log has revoked
  | 'mismatch' // two authenticated statements disagree
  | 'fork' // an account log that contradicts a known entry
  | 'truncated' // an account log shorter than the one already known
  | 'identity_reset' // another genesis or root under a known account id
  | 'equivocation' // one position, two different signed messages
  | 'not_allowed' // the signer may not do this
  | 'weak_kdf' // password parameters outside floor and ceiling
  | 'stale_record' // a stored record older than the one it would replace
  | 'withheld'; // the peer or server declined to hand something over

/** Thrown by every function of src/crypto; nothing else may escape a decoder (test A95). */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode;

  /** @param detail static words, never bytes */
  constructor(code: CryptoErrorCode, detail: string) {
    super(`${code}: ${detail}`);
    this.name = 'CryptoError';
    this.code = code;
  }
}

/** Throws CryptoError(code, detail) unless the condition holds. */
export function ensure(condition: boolean, code: CryptoErrorCode, detail: string): asserts condition {
  if (!condition) throw new CryptoError(code, detail);
}
