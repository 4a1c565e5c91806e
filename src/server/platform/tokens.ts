// Access tokens: JWTs signed with Ed25519 (RFC 8037), short-lived and checked against the session row by whoever
// accepts them. Refresh tokens: 32 random bytes, of which only the SHA-256 is stored.
import { createHash, randomBytes, type KeyObject } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { accountIdSchema, deviceIdSchema, sessionIdSchema } from '#shared/ids.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Clock } from './clock.ts';

const REFRESH_BYTES = 32;
const AUDIENCE = 'chatalot';

/** Life of an access token in milliseconds. */
export const ACCESS_TOKEN_MS = limits.accessTokenMs;

export interface AccessClaims {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  /** Null until the session's device is attached. */
  readonly deviceId: DeviceId | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface AccessTokensOptions {
  readonly jwt: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** PUBLIC_URL. */
  readonly issuer: string;
  readonly clock: Clock;
}

export class AccessTokens {
  readonly #options: AccessTokensOptions;

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  /** A token for one session, valid for ACCESS_TOKEN_MS. */
  sign(subject: Pick<AccessClaims, 'accountId' | 'sessionId' | 'deviceId'>): Promise<string> {
    const { clock, issuer, jwt } = this.#options;
    const issuedAt = Math.floor(clock.now() / 1000);
    return new SignJWT({ sid: subject.sessionId, ...(subject.deviceId ? { did: subject.deviceId } : {}) })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
      .setSubject(subject.accountId)
      .setIssuer(issuer)
      .setAudience(AUDIENCE)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ACCESS_TOKEN_MS / 1000)
      .sign(jwt.privateKey);
  }

  /** The claims of a token that is ours, unaltered and not expired; null otherwise. */
  async verify(token: string): Promise<AccessClaims | null> {
    const { clock, issuer, jwt } = this.#options;
    try {
      const { payload } = await jwtVerify(token, jwt.publicKey, {
        algorithms: ['EdDSA'],
        issuer,
        audience: AUDIENCE,
        currentDate: new Date(clock.now()),
        requiredClaims: ['sub', 'sid', 'exp'],
      });
      const accountId = accountIdSchema.safeParse(payload.sub);
      const sessionId = sessionIdSchema.safeParse(payload.sid);
      const deviceId = payload.did === undefined ? null : deviceIdSchema.safeParse(payload.did);
      if (!accountId.success || !sessionId.success || deviceId?.success === false) return null;
      return {
        accountId: accountId.data,
        sessionId: sessionId.data,
        deviceId: deviceId?.data ?? null,
        expiresAt: (payload.exp ?? 0) * 1000,
      };
    } catch (cause) {
      if (cause instanceof errors.JOSEError) return null;
      throw cause;
    }
  }
}

export interface RefreshToken {
  /** 43 characters of base64url, for the cookie. */
  readonly token: string;
  /** SHA-256 of the token's bytes (32 bytes), for the database. */
  readonly hash: Uint8Array<ArrayBuffer>;
}

const sha256 = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createHash('sha256').update(bytes).digest());

export function newRefreshToken(): RefreshToken {
  const bytes = randomBytes(REFRESH_BYTES);
  return { token: bytes.toString('base64url'), hash: sha256(bytes) };
}

/** Hash under which a one-time code is stored, given as base64url. */
export const hashCode = (code: string): Uint8Array<ArrayBuffer> => sha256(Buffer.from(code, 'base64url'));

/** Hash under which a refresh token is stored; whatever is no such token hashes to something never stored. */
export const hashRefreshToken = (token: string): Uint8Array<ArrayBuffer> =>
  sha256(Buffer.from(token, 'base64url'));
