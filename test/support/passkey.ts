// An authenticator in software: makes passkeys and signs with them as a browser's would, attestation "none".
import { encode } from 'cborg';
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { Assertion, Attestation } from '#shared/second-factor.ts';
import { origin as testOrigin } from './deps.ts';

const FLAG = { present: 0x01, verified: 0x04, attested: 0x40 } as const;

/** What a test may bend about a use. */
export interface Bent {
  readonly origin?: string;
  readonly rpId?: string;
  /** False: the person only touched it. */
  readonly isVerified?: boolean;
  /** The counter as told; absent: one more than before. */
  readonly signCount?: number;
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();

/** A P-256 public key as COSE_Key (RFC 9053). */
function coseKey(key: KeyObject): Uint8Array {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const entries: [number, unknown][] = [
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, Uint8Array.from(Buffer.from(x, 'base64url'))],
    [-3, Uint8Array.from(Buffer.from(y, 'base64url'))],
  ];
  return encode(new Map(entries));
}

export class SoftPasskey {
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #id = randomBytes(32);
  #signCount = 0;
  #handle = '';

  get id(): string {
    return this.#id.toString('base64url');
  }

  #authData(bent: Bent, flags: number, attested: Uint8Array = new Uint8Array()): Buffer {
    const { rpId = 'localhost', isVerified = true, signCount = this.#signCount } = bent;
    const count = Buffer.alloc(4);
    count.writeUInt32BE(signCount);
    const set = FLAG.present | flags | (isVerified ? FLAG.verified : 0);
    return Buffer.concat([sha256(rpId), Buffer.from([set]), count, attested]);
  }

  #clientData(type: string, challenge: string, bent: Bent): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge, origin: bent.origin ?? testOrigin }));
  }

  /** Answers creation options. */
  make(options: { challenge: string; user: { id: string } }, bent: Bent = {}): Attestation {
    this.#handle = options.user.id;
    const length = Buffer.from([0, this.#id.length]);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.#id, coseKey(this.#keys.publicKey)]);
    const authData = Uint8Array.from(this.#authData(bent, FLAG.attested, attested));
    const attestationObject = Buffer.from(encode({ fmt: 'none', attStmt: {}, authData }));
    const clientData = this.#clientData('webauthn.create', options.challenge, bent);
    return {
      id: this.id,
      response: {
        clientDataJSON: clientData.toString('base64url'),
        attestationObject: attestationObject.toString('base64url'),
        transports: ['internal'],
      },
    };
  }

  /** Answers request options. */
  use(options: { challenge: string }, bent: Bent = {}): Assertion {
    this.#signCount = bent.signCount ?? this.#signCount + 1;
    const authData = this.#authData(bent, 0);
    const clientData = this.#clientData('webauthn.get', options.challenge, bent);
    const signature = sign('sha256', Buffer.concat([authData, sha256(clientData)]), this.#keys.privateKey);
    return {
      id: this.id,
      response: {
        clientDataJSON: clientData.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle: this.#handle,
      },
    };
  }
}
