// Passkeys (WebAuthn level 3): options for the browser and checks of its answers, by @simplewebauthn/server. No
// attestation is asked for; the person must be verified by the authenticator (PIN, fingerprint, face) every time.
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';
import type { Assertion, Attestation } from '#shared/second-factor.ts';
import type { Env } from './env.ts';

export type CreationOptions = PublicKeyCredentialCreationOptionsJSON;
export type RequestOptions = PublicKeyCredentialRequestOptionsJSON;

/** Ed25519, P-256, RSA with SHA-256 (COSE numbers). */
const ALGORITHMS = [-8, -7, -257];

/** Whom a passkey is for: the host of the page, and the origin it must have been used on. */
export interface RelyingParty {
  readonly id: string;
  readonly origin: string;
}

/** The page that asks, if it is one of ours; else the instance's own address. */
export function relyingParty(
  env: Pick<Env, 'publicUrl' | 'allowedOrigins'>,
  origin: string | undefined,
): RelyingParty {
  const page = origin !== undefined && env.allowedOrigins.includes(origin) ? origin : env.publicUrl;
  return { id: new URL(page).hostname, origin: page };
}

/** Accepts a challenge (bytes) once; false refuses the answer. */
export type TakeChallenge = (challenge: Uint8Array) => Promise<boolean>;

const taking = (take: TakeChallenge) => (challenge: string) => take(Buffer.from(challenge, 'base64url'));

export function creationOptions(input: {
  readonly party: RelyingParty;
  readonly partyName: string;
  readonly challenge: Uint8Array<ArrayBuffer>;
  /** `handle` comes back with every use of the passkey. */
  readonly user: {
    readonly handle: Uint8Array<ArrayBuffer>;
    readonly name: string;
    readonly displayName: string;
  };
  /** base64url ids of the person's passkeys: an authenticator holds one each. */
  readonly known: readonly string[];
}): Promise<CreationOptions> {
  const { party, partyName, challenge, user, known } = input;
  return generateRegistrationOptions({
    rpName: partyName,
    rpID: party.id,
    userID: user.handle,
    userName: user.name,
    userDisplayName: user.displayName,
    challenge,
    attestationType: 'none',
    excludeCredentials: known.map((id) => ({ id })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: ALGORITHMS,
  });
}

/** Names no passkey: the browser shows those it has for this page. */
export const requestOptions = (
  party: RelyingParty,
  challenge: Uint8Array<ArrayBuffer>,
): Promise<RequestOptions> =>
  generateAuthenticationOptions({ rpID: party.id, challenge, userVerification: 'required' });

export interface NewPasskey {
  readonly credentialId: Uint8Array<ArrayBuffer>;
  /** COSE_Key */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly signCount: number;
}

/** The passkey an attestation proves; null when it does not verify. */
export async function verifyAttestation(
  attestation: Attestation,
  expected: { readonly party: RelyingParty; readonly takeChallenge: TakeChallenge },
): Promise<NewPasskey | null> {
  const { id, response } = attestation;
  const { clientDataJSON, attestationObject } = response;
  const answer = { clientDataJSON, attestationObject };
  const verified = await verifyRegistrationResponse({
    response: { id, rawId: id, type: 'public-key', response: answer, clientExtensionResults: {} },
    expectedChallenge: taking(expected.takeChallenge),
    expectedOrigin: expected.party.origin,
    expectedRPID: expected.party.id,
    requireUserVerification: true,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(nothing);
  if (!verified?.verified) return null;
  const { credential } = verified.registrationInfo;
  return {
    credentialId: Uint8Array.from(Buffer.from(credential.id, 'base64url')),
    publicKey: Uint8Array.from(credential.publicKey),
    signCount: credential.counter,
  };
}

/** The counter a valid assertion carries; null when it does not verify or the counter fell back. */
export async function verifyAssertion(
  assertion: Assertion,
  expected: {
    readonly party: RelyingParty;
    readonly takeChallenge: TakeChallenge;
    readonly passkey: { readonly publicKey: Uint8Array; readonly signCount: number };
  },
): Promise<number | null> {
  const { id, response } = assertion;
  const { clientDataJSON, authenticatorData, signature } = response;
  const answer = { clientDataJSON, authenticatorData, signature };
  const { publicKey, signCount } = expected.passkey;
  const verified = await verifyAuthenticationResponse({
    response: { id, rawId: id, type: 'public-key', response: answer, clientExtensionResults: {} },
    expectedChallenge: taking(expected.takeChallenge),
    expectedOrigin: expected.party.origin,
    expectedRPID: expected.party.id,
    credential: { id, publicKey: Uint8Array.from(publicKey), counter: signCount },
    requireUserVerification: true,
  }).catch(nothing);
  return verified?.verified ? verified.authenticationInfo.newCounter : null;
}

/** The library tells what did not fit by throwing; the person is told only that it did not. */
const nothing = (): null => null;
