// The second step of logging in (codes by time with backup codes), passkeys, and proving oneself again before a
// sensitive action. Assertions and attestations are WebAuthn's JSON forms, cut to what the server checks.
import * as z from 'zod/mini';
import { base64UrlBytes, base64UrlFixed } from './encoding.ts';
import { limits } from './limits.ts';

/** What can follow the password. */
export const factorMethods = ['totp', 'backup', 'passkey'] as const;
export type FactorMethod = (typeof factorMethods)[number];

const totpCodeSchema = z.string().check(z.regex(/^[0-9]{6}$/));
/** Ten characters of the recovery code's alphabet (no I, L, O, U) in two groups. */
export const backupCodeSchema = z.string().check(z.regex(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/));

const credentialIdSchema = base64UrlBytes(1, limits.passkeyCredentialIdBytes);
const clientDataSchema = base64UrlBytes(1, limits.passkeyStructureBytes);

/** A passkey's signature over a challenge of ours. */
export const assertionSchema = z.object({
  id: credentialIdSchema,
  response: z.object({
    clientDataJSON: clientDataSchema,
    authenticatorData: base64UrlBytes(37, limits.passkeyStructureBytes),
    signature: base64UrlBytes(1, 1024),
    userHandle: z.optional(base64UrlBytes(1, 64)),
  }),
});
export type Assertion = z.infer<typeof assertionSchema>;

/** A new passkey. */
export const attestationSchema = z.object({
  id: credentialIdSchema,
  response: z.object({
    clientDataJSON: clientDataSchema,
    attestationObject: base64UrlBytes(37, limits.passkeyStructureBytes),
    transports: z.optional(z.array(z.string().check(z.regex(/^[a-z-]{1,16}$/))).check(z.maxLength(8))),
  }),
});
export type Attestation = z.infer<typeof attestationSchema>;

const factors = [
  z.object({ kind: z.literal('totp'), code: totpCodeSchema }),
  z.object({ kind: z.literal('backup'), code: backupCodeSchema }),
  z.object({ kind: z.literal('passkey'), assertion: assertionSchema }),
] as const;
export const factorSchema = z.discriminatedUnion('kind', factors);
export type Factor = z.infer<typeof factorSchema>;

/** Bytes of a one-time ticket: 16 random, 8 of time, 32 of MAC. */
export const ticketBytes = 56;

/** On a session: a factor, or the ticket that log-in or re-authentication answered to one given there. */
export const factorProofSchema = z.discriminatedUnion('kind', [
  ...factors,
  z.object({ kind: z.literal('ticket'), ticket: base64UrlFixed(ticketBytes) }),
]);
export type FactorProof = z.infer<typeof factorProofSchema>;

export const passkeyLoginInput = z.object({ assertion: assertionSchema });
/** Marks this session as fresh: by password (and second factor, where one is asked for), or by passkey. */
export const reauthenticateInput = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('password'),
    loginSecret: base64UrlFixed(32),
    factor: z.optional(factorSchema),
  }),
  z.object({ kind: z.literal('passkey'), assertion: assertionSchema }),
]);
export type Reauthentication = z.infer<typeof reauthenticateInput>;

/** `factorTicket`: proves once, within minutes, that this session gave a second factor; null: none was asked for. */
export interface FactorTicket {
  readonly factorTicket: string | null;
}

export const totpCodeInput = z.object({ code: totpCodeSchema });
export const ownFactorInput = z.object({ factor: factorProofSchema });

/** Shown once: the secret as text and as the address behind the QR code. */
export interface TotpOffer {
  readonly secret: string;
  readonly uri: string;
}
/** Shown once, each good for one log-in. */
export interface BackupCodes {
  readonly backupCodes: readonly string[];
}

export const passkeyIdSchema = z.uuid();
export const passkeyNameSchema = z
  .string()
  .check(z.trim(), z.minLength(1), z.maxLength(limits.passkeyNameMax));
export const addPasskeyInput = z.object({ name: passkeyNameSchema, attestation: attestationSchema });
export const renamePasskeyInput = z.object({ passkeyId: passkeyIdSchema, name: passkeyNameSchema });
export const removePasskeyInput = z.object({ passkeyId: passkeyIdSchema });

export interface PasskeySummary {
  readonly passkeyId: string;
  readonly name: string;
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
}

/** What protects the account besides its password. */
export interface FactorStatus {
  /** Null: log-in asks for the password alone. */
  readonly totp: { readonly enabledAt: number; readonly backupCodesLeft: number } | null;
  readonly passkeys: readonly PasskeySummary[];
}
