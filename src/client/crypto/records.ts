// What the engine stores for one account, and under which keys (relative to the account's prefix).
import {
  idKey,
  uuidToBytes,
  type AccountLogState,
  type DeviceSecrets,
  type KeyRequestPayload,
  type PeerDevice,
  type SenderChain,
} from '#crypto/index.ts';
import type { AccountId, ChannelId, DeviceId, DeviceRef, EventId } from '#shared/ids.ts';
import type { MailboxPacket, OutgoingPacket } from '#shared/mailbox.ts';
import type { HistoryPolicy } from '#shared/channels.ts';
import type { PolicyChange } from './history-calls.ts';
import type { Content, IdentityAlarm, VerifiedHow } from './protocol.ts';

/** This device. The account root's private key is not here: it lives in the vault only. */
export interface SelfRecord {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly secrets: DeviceSecrets;
  readonly backupKey: Uint8Array;
  readonly backupVersion: number;
  readonly createdAt: number;
}

/** What is known of one account's identity, the own one included. */
export interface PeerRecord {
  readonly log: AccountLogState;
  readonly alarm: IdentityAlarm['kind'] | null;
  /** After a reset: the whole new log, waiting for a person's decision; null when it is `log` itself that contradicts
   *  what somebody vouched for. */
  readonly offered: readonly Uint8Array[] | null;
  /** A device of the account vouched for a longer log than the server has shown so far (A03). */
  readonly behind: boolean;
  /** Logs the account had before it started over, newest first: what was written under them is still read by them,
   *  nothing is taken from their devices or sent to them. Absent where it never did. */
  readonly former?: readonly AccountLogState[];
}

/** A person somebody checked, by whatever way: their account has this identity and no other. */
export interface VerifiedRecord {
  /** 32 bytes */
  readonly aid: Uint8Array;
  /** The own AID then: after starting over oneself, comparing is due again. */
  readonly ownAid: Uint8Array;
  readonly how: VerifiedHow;
  readonly at: number;
}

/** The own chain of a channel and from where each device was given it. */
export interface OwnChainRecord {
  readonly chain: SenderChain;
  /** deviceAddress → first position given. */
  readonly given: Readonly<Record<string, number>>;
  /** deviceAddress → first position due to a reader's device that could not be reached then. */
  readonly owed: Readonly<Record<string, number>>;
}

/** What was encrypted and not yet acknowledged; repeated byte-identical. */
export interface SentRecord {
  readonly channelId: ChannelId;
  readonly envelope: string;
  readonly packets: readonly OutgoingPacket[];
  readonly chainCert: string | null;
  readonly dmDevices: readonly DeviceRef[] | null;
  /** deviceAddress of every device whose chain packet travels with it. */
  readonly handed: readonly string[];
  /** Server time after which receivers refuse it, ms; direct messages have none. */
  readonly until?: number;
  /** Direct messages: the record that remembers the key while it may be asked for again. */
  readonly keptAs?: string;
}

/** An opened event. */
export interface PlainRecord {
  readonly content: Content;
  readonly senderAccountId: AccountId;
  readonly senderDeviceId: DeviceId;
  readonly missingBefore: number;
  /** Where and as what it was opened: the same id under other bytes is another event. */
  readonly channelId: ChannelId;
  /** H(envelope) */
  readonly envelopeHash: Uint8Array;
  /** Opens the commitment: what a report would show. */
  readonly frankKey: Uint8Array;
  readonly contentBytes: Uint8Array;
  /** When it leaves this device, ms; absent: it stays. */
  readonly goneAt?: number;
  /** An own one the server has not dated yet. */
  readonly isUndated?: boolean;
}

/** Something that leaves this device at the time its key names. */
export type FadeRecord = { readonly key: string } & (
  | { readonly kind: 'record' | 'plain' }
  | { readonly kind: 'parked'; readonly seq: number }
  | { readonly kind: 'own'; readonly channelId: ChannelId; readonly chainId: Uint8Array }
);

/** A packet that cannot be opened yet: a log or its chain's certificate is not here, or its sender is held. */
export interface ParkedRecord {
  readonly packet: MailboxPacket;
  readonly waitsFor: 'log' | 'cert' | 'identity';
  /** H(certificate), hex, when waiting for one. */
  readonly certHash: string | null;
  readonly tries: number;
}

/** What this device saw of a channel's order (P7): where epochs began, and the newest event. */
export interface ChannelRecord {
  /** Highest epoch the server named. */
  readonly maxEpoch: number;
  readonly epochs: readonly { readonly epoch: number; readonly fromSeq: number }[];
  readonly headSeq: number;
  readonly headAt: number;
  /** Newest stretch of the log of which every event was shown to this device. */
  readonly covered: { readonly from: number; readonly to: number } | null;
}

/** What a conversation was when this device first met it; a server cannot make it another one (A76). */
export type PinRecord =
  | { readonly kind: 'group' }
  /** Both accounts, sorted. */
  | { readonly kind: 'dm'; readonly members: readonly AccountId[] };

/** Who may write, as the server named the readers at `epoch`, and who was removed since this device knows. */
export interface ReadersRecord {
  readonly epoch: number;
  readonly readers: readonly AccountId[];
  /** Account → first epoch it may no longer write in. */
  readonly removed: Readonly<Record<string, number>>;
}

export interface CertRecord {
  readonly channelId: ChannelId;
  readonly bytes: Uint8Array;
  /** H(bytes), hex. */
  readonly hash: string;
  /** The device it names signed it. */
  readonly isSigned?: boolean;
}

export interface RequestRecord {
  readonly request: KeyRequestPayload;
  readonly peer: PeerDevice;
  readonly peerAccountId: AccountId;
}

/** How long, and for whom, a channel keeps what is written, as the server named it, and how that changed. */
export interface PolicyRecord {
  readonly policy: HistoryPolicy;
  /** Oldest first. */
  readonly changes: readonly PolicyChange[];
}

/** When a chain was asked for, newest last. */
export interface AskedRecord {
  readonly owner: DeviceRef;
  readonly chainId: Uint8Array;
  readonly iter: number;
  readonly times: readonly number[];
  /** Its certificate lets every reader hand it on, so every reader's device may be asked. */
  readonly isShared?: boolean;
}

const hexOf = (uuid: string): string => idKey(uuidToBytes(uuid));

/** Record keys. */
export const keys = {
  self: 'self',
  prekeys: 'prekeys',
  /** When a prekey set was last made, ms. */
  prekeysMadeAt: 'prekeys-made-at',
  /** Newest vault revision seen; outlives the device. */
  vaultRevision: 'vault-revision',
  peer: (accountId: AccountId) => `peer/${hexOf(accountId)}`,
  /** Outlives the device, like the vault revision: what a person checked is not forgotten with a log-in. */
  verified: (accountId: AccountId) => `verified/${hexOf(accountId)}`,
  verifiedAll: 'verified/',
  /** AID → account id. */
  aid: (aid: Uint8Array) => `aid/${idKey(aid)}`,
  knownSet: (address: string) => `prekey-set/${address}`,
  channel: (channelId: ChannelId) => `channel/${hexOf(channelId)}`,
  policy: (channelId: ChannelId) => `policy/${hexOf(channelId)}`,
  pin: (channelId: ChannelId) => `pin/${hexOf(channelId)}`,
  readers: (channelId: ChannelId) => `readers/${hexOf(channelId)}`,
  ownChain: (channelId: ChannelId) => `own-chain/${hexOf(channelId)}`,
  oldChain: (channelId: ChannelId, chainId: Uint8Array) => `old-chain/${hexOf(channelId)}/${idKey(chainId)}`,
  oldChains: (channelId: ChannelId) => `old-chain/${hexOf(channelId)}/`,
  chainsOf: (channelId: ChannelId, owner: PeerDevice) =>
    `chain/${hexOf(channelId)}/${idKey(owner.aid)}/${idKey(owner.deviceId)}/`,
  chains: (channelId: ChannelId) => `chain/${hexOf(channelId)}/`,
  chain: (channelId: ChannelId, owner: PeerDevice, chainId: Uint8Array) =>
    `${keys.chainsOf(channelId, owner)}${idKey(chainId)}`,
  /** One certificate by its hash (hex): a packet names the one that counts. */
  cert: (hash: string) => `cert/${hash}`,
  /** Hashes of the certificates the server showed for a chain of this channel. */
  certs: (channelId: ChannelId, chainId: Uint8Array) => `certs/${hexOf(channelId)}/${idKey(chainId)}`,
  withheld: (channelId: ChannelId, chainId: Uint8Array) => `withheld/${hexOf(channelId)}/${idKey(chainId)}`,
  asked: (channelId: ChannelId, chainId: Uint8Array) => `asked/${hexOf(channelId)}/${idKey(chainId)}`,
  askedIn: (channelId: ChannelId) => `asked/${hexOf(channelId)}/`,
  request: (channelId: ChannelId, chainId: Uint8Array, peer: PeerDevice) =>
    `request/${hexOf(channelId)}/${idKey(chainId)}/${idKey(peer.deviceId)}`,
  requestsIn: (channelId: ChannelId) => `request/${hexOf(channelId)}/`,
  requestsAll: 'request/',
  ownChainsAll: 'own-chain/',
  oldChainsAll: 'old-chain/',
  chainsAll: 'chain/',
  dmKeysAll: 'dm-key/',
  dmKey: (eventId: Uint8Array) => `dm-key/${idKey(eventId)}`,
  /** How many message keys a device ever brought, and the ring of those it may have waiting here. */
  dmKeyCount: (address: string) => `dm-key-count/${address}`,
  dmKeySlot: (address: string, slot: number) => `dm-key-slot/${address}/${slot}`,
  /** Time first: in order of going. */
  fade: (at: number, key: string) => `fade/${String(at).padStart(16, '0')}/${key}`,
  fadeTime: (key: string) => Number(key.split('/')[1]),
  fades: 'fade/',
  plain: (eventId: EventId) => `plain/${hexOf(eventId)}`,
  sent: (eventId: EventId) => `sent/${hexOf(eventId)}`,
  /** The one unacknowledged send of a channel. */
  inFlight: (channelId: ChannelId) => `in-flight/${hexOf(channelId)}`,
  inFlightAll: 'in-flight/',
  draft: (eventId: EventId) => `draft/${hexOf(eventId)}`,
  drafts: 'draft/',
  /** Chain packets made outside a send, until the server has them. */
  handing: (channelId: ChannelId) => `handing/${hexOf(channelId)}`,
  /** Epochs this state of the device went through, newest last. */
  lease: 'lease',
  /** Per device (deviceAddress) what is known of its broken sessions. */
  repair: (address: string) => `repair/${address}`,
  repairs: 'repair/',
  /** Requests and answers, until the server has them. */
  repairing: 'repairing',
  /** Mailbox positions that were taken here lately, ascending. */
  taken: 'taken',
  /** Keys of direct messages sent, by day (since 1970) and the other person of the conversation. */
  sentKeysOn: (day: number) => `sent-key/${day}/`,
  sentKeysTo: (day: number, other: AccountId) => `${keys.sentKeysOn(day)}${hexOf(other)}/`,
  sentKey: (day: number, other: AccountId, eventId: EventId) =>
    `${keys.sentKeysTo(day, other)}${hexOf(eventId)}`,
  sentKeysFrom: 'sent-keys-from', // oldest day of these
  parked: (seq: number) => `parked/${String(seq).padStart(16, '0')}`,
  parkedAll: 'parked/',
  backup: 'backup',
  backupPending: 'backup-pending',
  /** Keys of newer versions that came here and were not met on the server yet; of one version there may be several. */
  backupKey: (version: number, hash: string) => `backup-key/${String(version).padStart(10, '0')}/${hash}`,
  backupKeys: 'backup-key/',
  /** A rotation the server did not answer yet. */
  backupRotation: 'backup-rotation',
  /** Which version of the key an own device was handed (deviceAddress), and packets with it, until the server has them. */
  backupHanded: (address: string) => `backup-handed/${address}`,
  backupHanding: 'backup-handing',
  backupQueue: 'backup-queue/',
  backupItem: (kind: number, name: Uint8Array) => `backup-queue/${kind}/${idKey(name)}`,
  archivesOf: (channelId: ChannelId, owner: PeerDevice, chainId: Uint8Array) =>
    `archive/${hexOf(channelId)}/${idKey(owner.aid)}/${idKey(owner.deviceId)}/${idKey(chainId)}/`,
  archivesIn: (channelId: ChannelId) => `archive/${hexOf(channelId)}/`,
  dmArchive: (bucket: string) => `dm-archive/${bucket}`,
  peerNote: (aid: string) => `peer-note/${aid}`,
} as const;
