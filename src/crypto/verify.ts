// Checks over PUBLIC data: the one file of src/crypto the server may import. Nothing here takes or returns a secret.
export {
  acceptsHead,
  accountIdentity,
  compareHead,
  decodeLogEntry,
  extendAccountLog,
  findDevice,
  liveDevices,
  logHead,
  openAccountLog,
  requireLiveDevice,
  wasLiveAt,
  type AccountLogState,
  type LogDevice,
  type LogEntry,
} from './account-log.ts';
export { fromBase64Url, fromHex, toBase64Url, toHex } from './bytes.ts';
export * from './constants.ts';
export {
  verifyAttach,
  verifyDeviceCert,
  type AttachRequest,
  type DeviceCert,
  type DeviceKind,
} from './device.ts';
export { CryptoError, type CryptoErrorCode } from './errors.ts';
export { bytesToUuid, idKey, uuidToBytes } from './ids.ts';
export { type LogHead } from './log-head.ts';
export {
  decodeOneTimeUnit,
  decodePrekeySet,
  verifyOneTimeUnit,
  verifyPrekeySet,
  verifyPrekeyUpload,
  type OneTimeUnit,
  type PrekeySet,
  type SetCheck,
  type VerifiedUpload,
} from './prekeys.ts';
export { vaultHeader, type VaultHeader } from './vault.ts';
export { parseChainCert, verifyChainCert, type ChainCert, type ChainCertOwner } from './chain-cert.ts';
export { parseEnvelopeHeader, type EnvelopeView, type EventClass, type EventMode } from './envelope.ts';
