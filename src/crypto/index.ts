// The public API of src/crypto: what the crypto worker may import. Secrets pass through these functions as records
// the worker stores; none of them reaches the page (protocol P16).

// Foundation
export { concat, equalBytes, fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from './bytes.ts';
export { decodeAll, Reader, Writer } from './codec.ts';
export * from './constants.ts';
export { CryptoError, type CryptoErrorCode } from './errors.ts';
export { bytesToUuid, idKey, randomId, timeOrderedId, uuidToBytes } from './ids.ts';
export { sameHead, type LogHead } from './log-head.ts';
export { ed25519KeyPair, H, hkdf, xaeadOpen, xaeadSeal, type KeyPair } from './primitives.ts';
export { systemRng, type Rng } from './rng.ts';

// Identity
export {
  acceptsHead,
  accountIdentity,
  compareHead,
  createAddDevice,
  createGenesis,
  createRevokeDevice,
  encryptionTargets,
  extendAccountLog,
  findDevice,
  headAt,
  identityResetPolicy,
  liveDevices,
  logHead,
  openAccountLog,
  requireLiveDevice,
  wasLiveAt,
  type AccountLogState,
  type LogActor,
  type LogDevice,
  type LogSigner,
  type RevokeReason,
} from './account-log.ts';
export {
  certifyDevice,
  deviceAddress,
  generateDevice,
  signAttach,
  verifyDeviceCert,
  type DeviceCert,
  type DeviceKind,
  type DeviceSecrets,
  type NewDevice,
} from './device.ts';

// Prekeys
export {
  verifyClaimedPrekeys,
  verifyPrekeySet,
  type ClaimedPrekeys,
  type PrekeyBundle,
  type PrekeyUpload,
  type SetCheck,
} from './prekeys.ts';
export {
  confirmPrekeyUpload,
  consumeLastResort,
  consumeOneTimeUnit,
  EMPTY_PREKEY_RECORD,
  makePrekeySet,
  prekeyDuty,
  prunePrekeySets,
  requirePrekeySecrets,
  type PrekeyRecord,
  type PrekeySecrets,
  type ServerPrekeyStatus,
} from './prekey-store.ts';

// Vault and password
export {
  checkKdfParams,
  derivePasswordKeys,
  newKdfParams,
  nobleArgon2id,
  sameKdfParams,
  type Argon2id,
  type KdfParams,
  type PasswordKeys,
} from './password.ts';
export {
  matchesRecoveryGroup,
  newRecoveryCode,
  normalizeRecoveryCode,
  pickRecoveryGroups,
  recoveryAuthSecret,
  recoveryGroups,
} from './recovery-code.ts';
export {
  createVault,
  openVault,
  resealVault,
  rewrapVault,
  vaultHeader,
  type OpenVault,
  type VaultExpectation,
  type VaultHeader,
  type VaultKey,
  type VaultSecrets,
} from './vault.ts';
