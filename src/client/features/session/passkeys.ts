// Passkeys as the browser holds them. The library (3 kB) is loaded when one is made or used.
import type { startAuthentication, startRegistration } from '@simplewebauthn/browser';
import type { Assertion, Attestation } from '#shared/second-factor.ts';
import { PasskeyError } from './passkey-support.ts';

type RequestOptions = Parameters<typeof startAuthentication>[0]['optionsJSON'];
type CreationOptions = Parameters<typeof startRegistration>[0]['optionsJSON'];

/** Lets the person use a passkey of this page. Throws PasskeyError. */
export async function assertPasskey(optionsJSON: RequestOptions): Promise<Assertion> {
  const library = await import('@simplewebauthn/browser');
  const { id, response } = await library.startAuthentication({ optionsJSON }).catch(refuse);
  const { clientDataJSON, authenticatorData, signature, userHandle } = response;
  const handle = userHandle === undefined ? {} : { userHandle };
  return { id, response: { clientDataJSON, authenticatorData, signature, ...handle } };
}

/** Lets the person make a passkey for this page. Throws PasskeyError. */
export async function makePasskey(optionsJSON: CreationOptions): Promise<Attestation> {
  const library = await import('@simplewebauthn/browser');
  const { id, response } = await library.startRegistration({ optionsJSON }).catch(refuse);
  const { clientDataJSON, attestationObject, transports } = response;
  return { id, response: { clientDataJSON, attestationObject, ...(transports && { transports }) } };
}

function refuse(cause: unknown): never {
  throw new PasskeyError(cause);
}
