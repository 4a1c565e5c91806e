// The crypto worker's interface: everything the rest of the client may ask of it. No call returns a private or
// chain key (protocol P16). Binary is base64url, ids are UUID strings, as on the wire to the server.
import type { ChannelKind } from '#shared/channels.ts';
import type { KdfParams } from '#shared/auth.ts';
import type { ClaimResult, PrekeyStatus } from '#shared/devices.ts';
import type { AccountId, ChannelId, DeviceId, DeviceRef, EventId, SessionId } from '#shared/ids.ts';
import type { MailboxPacket, OutgoingPacket } from '#shared/mailbox.ts';
import type { ChannelEvent, EventClass } from '#shared/messages.ts';
import type { BackupApi } from './backup-protocol.ts';
import type { LeaseCalls } from './lease-calls.ts';
import type { HistoryCalls } from './history-calls.ts';
import type { LinkCalls } from './link-calls.ts';
import type { IdentityAlarm, PeopleCalls } from './people-calls.ts';
import type { RepairCalls } from './repair-calls.ts';
import type { VaultCalls } from './vault-calls.ts';

export type { BackupRefusal, BackupRotation, BackupStep, BackupView } from './backup-protocol.ts';
export type { PolicyChange } from './history-calls.ts';
export type { LeaseClaim } from './lease-calls.ts';
export type { LinkEcho, Removal } from './link-calls.ts';
export type { MadePassword, MadeRecovery } from './vault-calls.ts';
export type {
  CodeVerdict,
  Comparison,
  DeviceView,
  IdentityAlarm,
  IdentityView,
  VerifiedHow,
} from './people-calls.ts';

/** What a person wrote or did, before encryption and after verification. */
export type Content =
  | { readonly type: 'text'; readonly text: string; readonly replyTo: EventId | null }
  | { readonly type: 'edit'; readonly target: EventId; readonly rev: number; readonly text: string }
  | {
      readonly type: 'reaction';
      readonly target: EventId;
      readonly emoji: string;
      readonly add: boolean;
      readonly rev: number;
    }
  | { readonly type: 'redact'; readonly target: EventId }
  | { readonly type: 'pin'; readonly target: EventId }
  | { readonly type: 'unpin'; readonly target: EventId }
  /** Made by a newer client: "newer client needed", never raw text. */
  | { readonly type: 'unknown' };

export type PendingReason =
  | 'key_missing' // the sender's key did not arrive yet; it can be asked for
  | 'cert_missing' // fetch the chain's certificate (`chainId`), then decrypt again
  | 'log_missing' // fetch the sender's account log, then decrypt again
  | 'restoring' // from before this device, and its backup is not read yet
  | 'identity_hold'; // the sender's identity changed; a person must look
export type WithheldReason = 'not_member' | 'not_shareable' | 'revoked' | 'too_old';
export type FailedReason =
  | 'before_device' // written before this device was added or joined: never readable here
  | 'withheld_by_sender'
  | 'withheld_by_server' // a stub without a valid redaction
  | 'changed_on_the_way' // seal, signature or commitment does not match
  | 'not_encrypted' // a foreign or plaintext envelope
  | 'wrong_sender'
  | 'sender_revoked'
  | 'expired_chain'
  | 'equivocation'
  | 'malformed'
  | 'unsupported';

/** Never "bytes that may be plaintext": the UI shows all four. */
export type DecryptResult =
  | {
      readonly eventId: EventId;
      readonly status: 'decrypted';
      readonly content: Content;
      readonly senderAccountId: AccountId;
      readonly senderDeviceId: DeviceId;
      /** Messages of the same chain the server did not show between this one and the one it links to. */
      readonly missingBefore: number;
      /** When it leaves this device, ms; absent: it stays. */
      readonly goneAt?: number;
    }
  | { readonly eventId: EventId; readonly status: 'redacted' }
  /** Its sender signed that it is kept for a day, and the day is over. */
  | { readonly eventId: EventId; readonly status: 'gone' }
  | {
      readonly eventId: EventId;
      readonly status: 'pending';
      readonly reason: PendingReason;
      /** 8 bytes, base64url; with `cert_missing`. */
      readonly chainId?: string;
    }
  | {
      readonly eventId: EventId;
      readonly status: 'failed';
      readonly reason: FailedReason;
      readonly withheld?: WithheldReason;
    };

/** A new identity: log, vault and first device, and the recovery code that is typed back before any of it counts. */
export interface PreparedReset {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly recoveryAuth: string;
  readonly log: readonly string[];
  readonly vault: string;
  /** Shown once, in groups; re-typed in part before the account is registered. */
  readonly recoveryCode: string;
}

export interface PreparedAccount extends PreparedReset {
  readonly kdf: KdfParams;
  readonly loginSecret: string;
}

export interface ConversationRef {
  readonly channelId: ChannelId;
  readonly kind: ChannelKind;
  readonly epoch: number;
  readonly devicesVersion: number;
  /** Whether people who join later may read what is written now; left out: as before. */
  readonly sharesHistory?: boolean;
  /** Whether what is written now is kept for a day only; left out: as before. */
  readonly isEphemeral?: boolean;
  /** Accounts the server says may read. Keys go only to devices certified by their account logs. */
  readonly readers: readonly AccountId[];
}

export interface EncryptInput {
  readonly conversation: ConversationRef;
  readonly eventId: EventId;
  readonly class: EventClass;
  readonly content: Content;
  readonly refId: EventId | null;
}

/** Ciphertext, stored in the outbox before the first attempt and repeated byte-identical (protocol P6). */
export interface SealedMessage {
  readonly eventId: EventId;
  readonly envelope: string;
  readonly packets: readonly OutgoingPacket[];
  readonly chainCert: string | null;
  /** 1:1 DMs: the devices the packets are for. */
  readonly dmDevices: readonly DeviceRef[] | null;
}

/** A message on its way: durable (encrypted at rest like every record) until the server has it. */
export interface Draft {
  readonly eventId: EventId;
  readonly channelId: ChannelId;
  readonly class: EventClass;
  readonly content: Content;
  readonly refId: EventId | null;
  readonly mentions: readonly AccountId[];
  readonly createdAt: number;
  /** Why it was finally refused, as an error code; null while it waits or is being sent. */
  readonly failure: string | null;
}

/** What must be fetched before a conversation can be written to (or read). */
export interface MissingKeys {
  readonly logs: readonly { readonly accountId: AccountId; readonly fromSeq: number }[];
  /** Devices without a session: claim their prekeys. */
  readonly bundles: readonly DeviceRef[];
}

export interface ReceiveReport {
  /** Mailbox seqs whose packets are committed here, opened or parked (or worthless), and may be acknowledged. */
  readonly done: readonly number[];
  /** Accounts whose log is needed before parked packets can be opened, or of which a peer knows a newer one; feed
   *  `ingestLogs`, then call again with none. */
  readonly needLogs: readonly { readonly accountId: AccountId; readonly fromSeq: number }[];
  /** Conversations in which parked messages may open now. */
  readonly unlocked: readonly ChannelId[];
  /** Requests from peers for chains of ours; answer with `answerRequests` once the readers are known. */
  readonly requested: readonly ChannelId[];
  /** Packets proved that two logs of an account exist. */
  readonly alarms: readonly IdentityAlarm[];
  /** A peer is to be asked to send again, or asked for it: `dueRepairs`. */
  readonly repair: boolean;
}

export interface CryptoApi
  extends BackupApi, LeaseCalls, LinkCalls, PeopleCalls, RepairCalls, VaultCalls, HistoryCalls {
  /** For whoever debugs: whether this browser's WebCrypto passed the check at the start and works ahead. */
  backend(): Promise<'webcrypto' | 'pure'>;

  // ---- Getting in
  /** New account, first device, vault and recovery code; held in memory until `adopt`. Argon2id: takes seconds. */
  prepareAccount(input: { password: string; now: number }): Promise<PreparedAccount>;
  /** Derives the login secret; refuses parameters outside floor and ceiling (`weak_kdf`). Keeps the slot key in memory. */
  deriveLogin(input: { password: string; kdf: KdfParams }): Promise<{ loginSecret: string }>;
  /** The device this browser holds for an account, or null. */
  findDevice(input: { accountId: AccountId }): Promise<DeviceId | null>;
  /** Another identity for an account whose keys nothing opens any more, under the password of `deriveLogin`; held in
   *  memory until `adopt`. */
  prepareReset(input: { accountId: AccountId; now: number }): Promise<PreparedReset>;
  /** Opens the vault with the password slot and certifies a new device; held in memory until `adopt`. Fails with
   *  `bad_mac` where the password opens nothing, with `identity_reset` where the log is of another identity than this
   *  browser knows of the account; `hasStartedOver`: its person says that it is theirs. */
  certifyDevice(input: {
    accountId: AccountId;
    vault: string;
    log: readonly string[];
    hasStartedOver?: boolean;
    now: number;
  }): Promise<{ deviceId: DeviceId; entry: string }>;
  /** The server accepted what `prepareAccount` or `certifyDevice` made: store it and open it. */
  adopt(): Promise<void>;
  /** Opens the stored device of an account. False when there is none. */
  open(input: { accountId: AccountId }): Promise<boolean>;
  signAttach(input: { sessionId: SessionId; challenge: string }): Promise<string>;
  /** Log entry that revokes this device ("log out and remove"). */
  revokeOwnDevice(): Promise<string>;
  /** Deletes every record of the open account from this browser. */
  wipe(): Promise<void>;

  // ---- Keys
  /** The prekey set to publish now, or null. Stored before it is returned; repeated byte-identical until `prekeysPublished`. */
  preparePrekeys(input: {
    status: PrekeyStatus;
    now: number;
  }): Promise<{ set: string; units: readonly string[] } | null>;
  prekeysPublished(): Promise<void>;
  /** Logs to fetch so that these accounts are known up to the given head (or at all). */
  logsNeeded(input: {
    accounts: readonly { accountId: AccountId; headSeq?: number }[];
  }): Promise<MissingKeys['logs']>;

  // ---- Sending
  /** `logsFresh`: the logs of all readers were fetched since `devicesVersion` last changed. */
  missingKeys(input: {
    conversation: ConversationRef;
    logsFresh: boolean;
    now: number;
  }): Promise<MissingKeys>;
  /** Opens sessions from claimed bundles; answers the devices whose bundle did not verify (nothing goes to them). */
  startSessions(input: { claims: readonly ClaimResult[]; now: number }): Promise<readonly DeviceRef[]>;
  /** Encrypts and stores in one step; the same eventId returns the same bytes. Refused until the previous send of
   *  this conversation was acknowledged or abandoned. */
  encrypt(input: EncryptInput & { now: number }): Promise<SealedMessage>;
  acknowledge(input: { channelId: ChannelId; eventId: EventId }): Promise<void>;
  /** Finally refused by the server (never stored): the bytes are dropped, the chain position is spent. */
  abandon(input: { channelId: ChannelId; eventId: EventId }): Promise<void>;
  /** Key packets for reader devices that do not have the current chain yet (≤ 64). The same packets come again until
   *  `distributed` says the server has them; call until empty. */
  distribute(input: { conversation: ConversationRef; now: number }): Promise<readonly OutgoingPacket[]>;
  distributed(input: { channelId: ChannelId }): Promise<void>;

  // ---- The outbox
  keepDraft(input: { draft: Draft }): Promise<void>;
  dropDraft(input: { eventId: EventId }): Promise<void>;
  /** Every kept draft, oldest first. */
  drafts(): Promise<readonly Draft[]>;

  // ---- Receiving
  receivePackets(input: { packets: readonly MailboxPacket[]; now: number }): Promise<ReceiveReport>;
  /** Idempotent by eventId. Events must be given in seq order. */
  decrypt(input: {
    channelId: ChannelId;
    kind: ChannelKind;
    /** DM members as pinned; null for community channels. */
    members: readonly AccountId[] | null;
    /** The channel's epoch as the server says it now. */
    epoch: number;
    events: readonly ChannelEvent[];
    /** Certificates the server showed with these events, base64url. */
    chainCerts: readonly string[];
    now: number;
  }): Promise<readonly DecryptResult[]>;
  /** Requests for the chains of messages that could not be opened (≤ 1 per chain and minute, ≤ 6 per hour): to their
   *  senders, and with `conversation` also to its readers' devices where a chain may be shared.
   *  `missing`: devices without a session; claim, `startSessions`, then ask again with `hasTriedSessions`.
   *  `hasMore`: there are devices that were not asked yet. `again`: a person asks, so does whoever was asked before. */
  requestKeys(input: {
    channelId: ChannelId;
    conversation?: ConversationRef;
    hasTriedSessions?: boolean;
    again?: boolean;
    now: number;
  }): Promise<{
    readonly packets: readonly OutgoingPacket[];
    readonly missing: MissingKeys;
    readonly hasMore: boolean;
    /** Keys of direct messages are to be asked for: `dueRepairs`. */
    readonly repair: boolean;
  }>;
  /** Answers to peers' requests: the chain from where they may read, or a withheld code. */
  answerRequests(input: { conversation: ConversationRef; now: number }): Promise<readonly OutgoingPacket[]>;
}

/** One call and its answer over postMessage / BroadcastChannel. */
export interface CryptoCall {
  readonly id: number;
  readonly method: keyof CryptoApi;
  readonly input: unknown;
}
export type CryptoAnswer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string };
