// The union of all live events and who hears them. Reducers are exhaustive over it.
import type { ChannelSummary, DmSummary, GroupSummary } from './channels.ts';
import type { CommunityStructure, MemberSummary } from './communities.ts';
import type { AccountId, ChannelId, CommunityId, DeviceId, GroupId, RoleId, SessionId } from './ids.ts';
import type { MailboxPacket } from './mailbox.ts';
import type { ChannelEvent } from './messages.ts';
import type { OverrideSummary, RoleSummary } from './roles.ts';
import type { OwnAccount, PresenceEntry, Profile } from './users.ts';

export type LeaveReason = 'left' | 'kicked' | 'banned' | 'deleted';

/**
 * Structural events carry the version they produce. All events of one change share it: a client drops older ones,
 * applies those of its own version or the next, and refetches the community on a jump.
 */
interface Structural {
  readonly communityId: CommunityId;
  readonly version: number;
}

export type LiveEvent =
  // The channel log. `chainCert` comes with the first message of a sender chain.
  | {
      readonly type: 'event.appended';
      readonly event: ChannelEvent;
      readonly chainCert: string | null;
      readonly mentions: readonly AccountId[];
    }
  | {
      readonly type: 'cursor.moved';
      readonly channelId: ChannelId;
      readonly readSeq: number;
      readonly readOrdinal: number;
      readonly mentions: number;
    }
  // Keys: the reader set, its devices or the epoch changed; senders read `messages.readers` again.
  | {
      readonly type: 'channel.rekeyed';
      readonly channelId: ChannelId;
      readonly epoch: number;
      readonly devicesVersion: number;
    }
  | { readonly type: 'devices.changed'; readonly accountId: AccountId; readonly headSeq: number }
  /** A state of this device goes on under this epoch (base64url): one that has another objects. */
  | { readonly type: 'device.leased'; readonly epoch: string }
  /** Two states of this device were seen: all of them stop. */
  | { readonly type: 'device.copied' }
  | { readonly type: 'mailbox.received'; readonly packet: MailboxPacket }
  | { readonly type: 'prekeys.claimed'; readonly claimedBy: AccountId; readonly remaining: number }
  // Structure
  | { readonly type: 'community.joined'; readonly community: CommunityStructure }
  | ({
      readonly type: 'community.updated';
      readonly name: string;
      readonly description: string;
      readonly ownerId: AccountId;
    } & Structural)
  | { readonly type: 'community.left'; readonly communityId: CommunityId; readonly reason: LeaveReason }
  | ({
      readonly type: 'member.joined';
      readonly member: MemberSummary;
      readonly memberCount: number;
    } & Structural)
  | ({
      readonly type: 'member.left';
      readonly accountId: AccountId;
      readonly reason: LeaveReason;
      readonly memberCount: number;
    } & Structural)
  | ({
      readonly type: 'member.updated';
      readonly accountId: AccountId;
      readonly nickname: string | null;
      readonly roleIds: readonly RoleId[];
    } & Structural)
  | ({ readonly type: 'role.changed'; readonly role: RoleSummary } & Structural)
  | ({ readonly type: 'role.deleted'; readonly roleId: RoleId } & Structural)
  | ({ readonly type: 'override.changed'; readonly override: OverrideSummary } & Structural)
  | ({ readonly type: 'group.changed'; readonly group: GroupSummary } & Structural)
  | ({ readonly type: 'group.deleted'; readonly groupId: GroupId } & Structural)
  /** Heard by readers of the channel; also tells somebody who just gained access. */
  | ({ readonly type: 'channel.changed'; readonly channel: ChannelSummary } & Structural)
  /** Heard by those who can no longer see it: deleted, or access lost. */
  | ({ readonly type: 'channel.deleted'; readonly channelId: ChannelId } & Structural)
  | { readonly type: 'dm.opened'; readonly dm: DmSummary }
  // People
  | { readonly type: 'profile.updated'; readonly profile: Profile }
  | { readonly type: 'account.updated'; readonly account: OwnAccount }
  // Ephemeral: ride the bus, never the log, may be dropped
  | { readonly type: 'presence.changed'; readonly entries: readonly PresenceEntry[] }
  | { readonly type: 'typing.started'; readonly channelId: ChannelId; readonly accountId: AccountId }
  // The connection. `live.opened` is the first event of a subscription: from here on nothing is missed, so the
  // client now loads the bootstrap. It comes again when the node may have missed what other nodes said.
  | { readonly type: 'live.opened'; readonly now: number }
  | { readonly type: 'session.revoked'; readonly sessionId: SessionId }
  | { readonly type: 'server.draining'; readonly reconnectInMs: number };

export type LiveEventType = LiveEvent['type'];
export type LiveEventOf<T extends LiveEventType> = Extract<LiveEvent, { type: T }>;

/** Who hears an event. Resolved to sockets by the live hub, never by clients. */
export type Audience =
  | { readonly to: 'account'; readonly accountId: AccountId }
  | { readonly to: 'device'; readonly deviceId: DeviceId }
  | { readonly to: 'session'; readonly sessionId: SessionId }
  /** Every member's sockets. */
  | { readonly to: 'community'; readonly communityId: CommunityId }
  /** Exactly the channel's readers. `communityId` when every member reads it, null when readers are explicit rows. */
  | { readonly to: 'channel'; readonly channelId: ChannelId; readonly communityId: CommunityId | null }
  /** Sockets focused on the channel (typing). */
  | { readonly to: 'focused'; readonly channelId: ChannelId; readonly except: AccountId }
  /** One subscription: the presence it watches. */
  | { readonly to: 'connection'; readonly connectionId: string }
  | { readonly to: 'everyone' };
