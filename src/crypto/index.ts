// The public API of src/crypto: what the crypto worker may import. Secrets pass through these functions as records
// the worker stores; none of them reaches the page (protocol P16).

// Foundation
export { Ahead, tapeRng, type AheadBackend, type TapedRng } from './ahead.ts';
export { chooseBackend } from './backend-check.ts';
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
  createBackupHead,
  createGenesis,
  createRevokeDevice,
  createRotateRoot,
  extendAccountLog,
  findDevice,
  headAt,
  identityResetPolicy,
  liveDevices,
  logHead,
  openAccountLog,
  requireLiveDevice,
  signingRoot,
  wasLiveAt,
  type AccountLogState,
  type LogActor,
  type LogDevice,
  type LogSigner,
} from './account-log.ts';
export { type BackupHead, type RevokeReason } from './log-entry.ts';
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

// Linking
export {
  askLink,
  checkGrantedLog,
  createLinkOffer,
  decodeLinkCode,
  encodeLinkCode,
  grantLink,
  linkClaimHash,
  linkEcho,
  meetLink,
  takeGrant,
  takeMeeting,
  takeRequest,
  type LinkChannel,
  type LinkGrant,
  type LinkOffer,
  type LinkRequest,
} from './linking.ts';

// Verification of people
export {
  compareSide,
  decodeCompareCode,
  encodeCompareCode,
  sameSide,
  type CompareCode,
  type CompareSide,
} from './compare-code.ts';
export { joinSafetyHalves, safetyHalf, type SafetyIdentity } from './safety-number.ts';

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

// Backup
export {
  acceptBackupManifest,
  backupHeadHash,
  backupId,
  leastBackupCount,
  openBackupEntry,
  parseBackupManifest,
  proveBackup,
  sealBackupEntry,
  signBackupManifest,
  type BackupItem,
  type BackupKey,
  type BackupManifest,
} from './backup.ts';
export {
  archiveDmKey,
  BACKUP_CHAIN,
  BACKUP_CLOSED,
  BACKUP_DM_KEYS,
  BACKUP_PEER,
  decodeChainArchive,
  decodeDmKeys,
  decodePeerState,
  dmKeyBinding,
  encodeChainArchive,
  encodeDmKeys,
  encodePeerState,
  type ChainArchive,
  type ClosedBackup,
  type DmKeyArchive,
} from './backup-kinds.ts';
export { openClosedBackup, promiseOf, requireSameList, rotateBackup } from './backup-rotation.ts';
export {
  appendLeaves,
  EMPTY_FRONTIER,
  foldLeaves,
  merkleLeaf,
  merkleRoot,
  type Frontier,
  type MerkleNode,
} from './merkle.ts';

// Events: envelope, content, direct messages, sender keys, timeline
export { type AuthenticatedPacket, type PeerDevice } from './authenticated.ts';
export {
  acceptedUntil,
  chainCertHash,
  parseChainCert,
  verifyChainCert,
  type ChainCert,
  type ChainCertOwner,
  type VerifiedChainCert,
} from './chain-cert.ts';
export {
  classOf,
  MAX_EMOJI_BYTES,
  MAX_TEXT_CHARACTERS,
  targetOf,
  type Content,
  type KnownContent,
} from './content.ts';
export {
  acceptDmKey,
  acceptDmKeys,
  encryptDm,
  openArchivedDm,
  openDm,
  type DmConversation,
  type DmKey,
  type EncryptedDm,
  type IncomingEvent,
  type OpenedEvent,
  type OutgoingHeader,
} from './dm-message.ts';
export {
  parseEnvelopeHeader,
  type EnvelopeHeader,
  type EnvelopeView,
  type EventClass,
  type EventMode,
} from './envelope.ts';
export {
  answerKeyRequest,
  isHistoryWanted,
  type Asker,
  type HeldChain,
  type KeyAnswer,
  type RequestedChain,
} from './key-request.ts';
export {
  decodePairwise,
  encodePairwise,
  WITHHELD_CODES,
  type DmKeyFields,
  type KeyRequestPayload,
  type BackupKeyPayload,
  type PairwisePayload,
  type WithheldCode,
} from './pairwise.ts';
export {
  boundSkippedKeys,
  findChain,
  installChain,
  installForwardedChain,
  restoreChain,
  type ForwardContext,
  type InstallContext,
  type Installed,
  type ReceiverChain,
} from './receiver-chain.ts';
export {
  acknowledgeSend,
  createSenderChain,
  needsNewChain,
  refuseSend,
  senderChainPacket,
  wasReaderAtStart,
  type NewChain,
  type RotationFacts,
  type RotationReason,
  type SenderChain,
} from './sender-chain.ts';
export {
  encryptGroupEvent,
  openGroupEvent,
  type EncryptedGroupEvent,
  type OpenedGroupEvent,
  type ReceiveContext,
} from './sender-key.ts';
export {
  findLinkGaps,
  judgeStub,
  verifyNewest,
  verifyRun,
  type EventStub,
  type LinkFinding,
  type RunOutcome,
  type RunResult,
  type StubEvidence,
} from './sender-run.ts';
export {
  applyTimelineEvent,
  EMPTY_TIMELINE,
  mayEdit,
  nextRevision,
  viewMessage,
  type MessageView,
  type TimelineEvent,
  type TimelineState,
} from './timeline-rules.ts';

// Pairwise sessions
export {
  chooseSession,
  decryptPairwise,
  encryptPairwise,
  handshakeNeed,
  packetKind,
  sessionSetKey,
  startSession,
  type PairwiseInput,
  type PairwiseResult,
  type PairwiseSend,
  type PairwiseSender,
  type Session,
  type SessionClock,
  type SessionSet,
  type StartOptions,
} from './session.ts';
export type { GossipVerdict, HeadVerdict, LogPair } from './gossip.ts';
export type { ConsumedPrekey, LocalDevice } from './pqxdh.ts';

// Repair of sessions
export { nextResend, openResend, packetPlace, resendReason, signResend } from './resend.ts';
export { type ResendRequest } from './resend-request.ts';

// Storage
export {
  RecordQueue,
  transact,
  type RecordAccess,
  type StepOutcome,
  type StepRecords,
} from './record-queue.ts';
export type { CommitBatch, Expectation, ProtocolStore, StoredRecord } from './store.ts';
