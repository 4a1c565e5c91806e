// What services work with: one object, built once in app.ts, passed as the first argument. No globals.
import type { Logger } from './platform/log.ts';
import type { JobBoard } from './job-board.ts';
import type { Lockout } from './lockout.ts';
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/db.ts';
import type { DiskReserve } from './platform/disk.ts';
import type { Env } from './platform/env.ts';
import type { Metrics } from './platform/metrics.ts';
import type { Limiter } from './platform/rate-limit.ts';
import type { Secrets } from './platform/secrets.ts';
import type { AccessTokens } from './platform/tokens.ts';
import type { PresenceRegistry } from './domains/live/presence-registry.ts';
import type { TypingRegistry } from './domains/live/typing-registry.ts';
import type { SessionLookup } from './domains/sessions/session-lookup.ts';
import type { AccountLookup } from './domains/users/account-lookup.ts';
import type { SendQueue } from './domains/messages/send-queue.ts';
import type { Audience, LiveEvent, LiveEventOf } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, DeviceId, SessionId } from '#shared/ids.ts';
import type { RateClass } from '#shared/limits.ts';

/**
 * The way out to open sockets. Call only after commit (`tx.afterCommit`). Audience changes act at once, so call
 * them before publishing the event that announces them: revocation comes first.
 */
export interface LivePublisher {
  publish(audience: Audience, event: LiveEvent): void;
  /** A channel's log events are released in seq order. */
  publishAppended(audience: Audience & { to: 'channel' }, event: LiveEventOf<'event.appended'>): void;
  /** Live subscriptions of this node that hear `audience` now. */
  listeners(audience: Audience): number;
  joinCommunity(accountId: AccountId, communityId: CommunityId): void;
  leaveCommunity(accountId: AccountId, communityId: CommunityId): void;
  dissolveCommunity(communityId: CommunityId): void;
  /** Readers of one restricted channel or DM that came and went. */
  changeReaders(
    channelId: ChannelId,
    change: { joined: readonly AccountId[]; left: readonly AccountId[] },
  ): void;
  dissolveChannel(channelId: ChannelId): void;
  closeSession(sessionId: SessionId): void;
  closeDevice(deviceId: DeviceId): void;
  closeAccount(accountId: AccountId): void;
  /** Drops what is remembered of at most `limit` channels that have been quiet; returns how many. Background work. */
  forgetIdle(limit: number): number;
}

export interface Deps {
  readonly env: Env;
  readonly log: Logger;
  readonly clock: Clock;
  readonly db: Database;
  readonly secrets: Secrets;
  readonly tokens: AccessTokens;
  readonly limiter: Limiter<RateClass>;
  readonly lockout: Lockout;
  readonly live: LivePublisher;
  /** Which sessions may act now. */
  readonly sessions: SessionLookup;
  readonly accounts: AccountLookup;
  /** The write path of the channel log. */
  readonly sends: SendQueue;
  readonly presence: PresenceRegistry;
  readonly typing: TypingRegistry;
  readonly jobs: JobBoard;
  readonly metrics: Metrics;
  readonly disk: DiskReserve;
}

/** Who acts: a session, and the device it is bound to (null until `devices.attach`). */
export interface Actor {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  readonly deviceId: DeviceId | null;
}

/** An actor whose session is bound to a device. */
export interface DeviceActor extends Actor {
  readonly deviceId: DeviceId;
}
