// What pages need to know of passkeys before one is made or used.

/** The person or the browser said no: called off or timed out, one is here already, or something else. */
export class PasskeyError extends Error {
  readonly code: 'passkey_cancelled' | 'passkey_known' | 'passkey_failed';

  constructor(cause: unknown) {
    const name = cause instanceof Error ? cause.name : '';
    super('passkey', { cause });
    if (name === 'NotAllowedError' || name === 'AbortError') this.code = 'passkey_cancelled';
    else this.code = name === 'InvalidStateError' ? 'passkey_known' : 'passkey_failed';
  }
}

/** Whether passkeys can work on this page: they belong to a host name, so never to a bare address. */
export const hasPasskeys = (): boolean =>
  'PublicKeyCredential' in globalThis && !/^[\d.]+$|^\[/.test(location.hostname);
