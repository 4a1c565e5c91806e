// What all parts of the engine share: the store, randomness, the open account, and how its own device and its peers
// are read.
import {
  Ahead,
  bytesToUuid,
  CryptoError,
  findDevice,
  type AccountLogState,
  type AheadBackend,
  type Argon2id,
  type DeviceSecrets,
  type PeerDevice,
  type ProtocolStore,
  type Rng,
} from '#crypto/index.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';
import { keys, type PeerRecord, type SelfRecord } from './records.ts';
import { Workshop, type UnitOfWork } from './unit-of-work.ts';

export interface EngineOptions {
  readonly store: ProtocolStore;
  readonly rng: Rng;
  readonly argon2: Argon2id;
  /** Answers signature checks and agreements ahead; without one they are computed in place. */
  readonly backend?: AheadBackend | null;
}

/** This device with the newest verified state of its own log. */
export interface Own {
  readonly self: SelfRecord;
  readonly log: AccountLogState;
  readonly device: PeerDevice;
  /** As the session functions want it. */
  readonly local: { readonly secrets: DeviceSecrets; readonly log: AccountLogState };
}

export class EngineCore {
  readonly rng: Rng;
  readonly argon2: Argon2id;
  readonly #backend: AheadBackend | null;
  readonly #workshop: Workshop;
  #accountId: AccountId | null = null;

  constructor(options: EngineOptions) {
    this.rng = options.rng;
    this.argon2 = options.argon2;
    this.#backend = options.backend ?? null;
    this.#workshop = new Workshop(options.store);
  }

  /** Runs work on the open account's records. Throws `not_allowed` when no account is open. */
  run<T>(work: (unit: UnitOfWork, own: Own) => Promise<T>): Promise<T> {
    const accountId = this.#accountId;
    if (accountId === null) return Promise.reject(new CryptoError('not_allowed', 'no account is open'));
    return this.runOn(accountId, async (unit) => work(unit, await requireOwn(unit)));
  }

  /** Runs work on an account's records, open or not. */
  runOn<T>(accountId: AccountId, work: (unit: UnitOfWork) => Promise<T>): Promise<T> {
    return this.#workshop.run(`${accountId}/`, work);
  }

  /** For one piece of work: where what it needs of the backend is prepared. */
  ahead(): Ahead {
    return new Ahead(this.#backend);
  }

  get backendName(): 'webcrypto' | 'pure' {
    return this.#backend ? 'webcrypto' : 'pure';
  }

  open(accountId: AccountId): void {
    this.#accountId = accountId;
  }

  close(): void {
    this.#accountId = null;
  }
}

async function requireOwn(unit: UnitOfWork): Promise<Own> {
  const self = await unit.get<SelfRecord>(keys.self);
  const peer = self && (await unit.get<PeerRecord>(keys.peer(self.accountId)));
  if (!peer) throw new CryptoError('not_allowed', 'no device of this account here');
  const { log } = peer;
  const { secrets } = self;
  return { self, log, device: { aid: log.aid, deviceId: secrets.deviceId }, local: { secrets, log } };
}

/** A peer whose identity nothing speaks against; null while its log is unknown, held or blocked. */
export async function trustedPeer(unit: UnitOfWork, accountId: AccountId): Promise<PeerRecord | null> {
  const peer = await unit.get<PeerRecord>(keys.peer(accountId));
  return peer && peer.alarm === null ? peer : null;
}

/** When this device was certified, ms; messages from before it are not for it. */
export function certifiedAt(own: Own): number {
  return findDevice(own.log, own.device.deviceId)?.cert.createdAt ?? own.self.createdAt;
}

/** This device, as it signs entries of its account's log. */
export const signerOf = ({ self }: Own) => {
  const { deviceId, signing } = self.secrets;
  return { kind: 'device', deviceId, secretKey: signing.secretKey } as const;
};

export const deviceIdOf = (bytes: Uint8Array): DeviceId => bytesToUuid(bytes) as DeviceId;

/** Server seqs, iters and times come as numbers; a CryptoError's code is what the page may know of a failure. */
export function codeOf(error: unknown): CryptoError['code'] {
  if (error instanceof CryptoError) return error.code;
  throw error;
}
