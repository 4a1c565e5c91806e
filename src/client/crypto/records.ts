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
import type { Content, IdentityAlarm } from './protocol.ts';

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
  /** After a reset: the whole new log, waiting for a person's decision. */
  readonly offered: readonly Uint8Array[] | null;
}

/** The own chain of a channel and from where each device was given it. */
export interface OwnChainRecord {
  readonly chain: SenderChain;
  /** deviceAddress → first position given. */
  readonly given: Readonly<Record<string, number>>;
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
}

/** An opened event. */
export interface PlainRecord {
  readonly content: Content;
  readonly senderAccountId: AccountId;
  readonly senderDeviceId: DeviceId;
  readonly missingBefore: number;
  /** Opens the commitment: what a report would show. */
  readonly frankKey: Uint8Array;
  readonly contentBytes: Uint8Array;
}

/** A packet that cannot be opened yet: its sender's log or its chain's certificate is not here. */
export interface ParkedRecord {
  readonly packet: MailboxPacket;
  readonly waitsFor: 'log' | 'cert';
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
}

export interface CertRecord {
  readonly channelId: ChannelId;
  readonly bytes: Uint8Array;
  /** H(bytes), hex. */
  readonly hash: string;
}

export interface RequestRecord {
  readonly request: KeyRequestPayload;
  readonly peer: PeerDevice;
  readonly peerAccountId: AccountId;
}

/** When a chain was asked for, newest last. */
export interface AskedRecord {
  readonly owner: DeviceRef;
  readonly chainId: Uint8Array;
  readonly iter: number;
  readonly times: readonly number[];
}

const hexOf = (uuid: string): string => idKey(uuidToBytes(uuid));

/** Record keys. */
export const keys = {
  self: 'self',
  prekeys: 'prekeys',
  peer: (accountId: AccountId) => `peer/${hexOf(accountId)}`,
  /** AID → account id. */
  aid: (aid: Uint8Array) => `aid/${idKey(aid)}`,
  knownSet: (address: string) => `prekey-set/${address}`,
  channel: (channelId: ChannelId) => `channel/${hexOf(channelId)}`,
  ownChain: (channelId: ChannelId) => `own-chain/${hexOf(channelId)}`,
  oldChain: (channelId: ChannelId, chainId: Uint8Array) => `old-chain/${hexOf(channelId)}/${idKey(chainId)}`,
  oldChains: (channelId: ChannelId) => `old-chain/${hexOf(channelId)}/`,
  chainsOf: (channelId: ChannelId, owner: PeerDevice) =>
    `chain/${hexOf(channelId)}/${idKey(owner.aid)}/${idKey(owner.deviceId)}/`,
  chains: (channelId: ChannelId) => `chain/${hexOf(channelId)}/`,
  chain: (channelId: ChannelId, owner: PeerDevice, chainId: Uint8Array) =>
    `${keys.chainsOf(channelId, owner)}${idKey(chainId)}`,
  /** Certificates the server showed for a chain id; the packet's hash says which one counts. */
  certs: (chainId: Uint8Array) => `certs/${idKey(chainId)}`,
  withheld: (chainId: Uint8Array) => `withheld/${idKey(chainId)}`,
  asked: (channelId: ChannelId, chainId: Uint8Array) => `asked/${hexOf(channelId)}/${idKey(chainId)}`,
  askedIn: (channelId: ChannelId) => `asked/${hexOf(channelId)}/`,
  request: (channelId: ChannelId, chainId: Uint8Array, peer: PeerDevice) =>
    `request/${hexOf(channelId)}/${idKey(chainId)}/${idKey(peer.deviceId)}`,
  requestsIn: (channelId: ChannelId) => `request/${hexOf(channelId)}/`,
  dmKey: (eventId: Uint8Array) => `dm-key/${idKey(eventId)}`,
  plain: (eventId: EventId) => `plain/${hexOf(eventId)}`,
  sent: (eventId: EventId) => `sent/${hexOf(eventId)}`,
  /** The one unacknowledged send of a channel. */
  inFlight: (channelId: ChannelId) => `in-flight/${hexOf(channelId)}`,
  draft: (eventId: EventId) => `draft/${hexOf(eventId)}`,
  drafts: 'draft/',
  /** Chain packets made outside a send, until the server has them. */
  handing: (channelId: ChannelId) => `handing/${hexOf(channelId)}`,
  parked: (seq: number) => `parked/${String(seq).padStart(16, '0')}`,
  parkedAll: 'parked/',
} as const;
