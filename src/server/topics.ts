// Which topic of the live hub an audience is.
import type { Audience } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';

/** Topics a connection can be in; the live domain joins them when it opens a subscription. */
export const topics = {
  account: (id: string) => `account:${id}`,
  device: (id: string) => `device:${id}`,
  session: (id: string) => `session:${id}`,
  community: (id: string) => `community:${id}`,
  channel: (id: string) => `channel:${id}`,
  focused: (id: string) => `focused:${id}`,
  /** One subscription: presence it watches. */
  connection: (id: string) => `connection:${id}`,
  everyone: 'everyone',
} as const;

export function topicOf(audience: Audience): string {
  switch (audience.to) {
    case 'account':
      return topics.account(audience.accountId);
    case 'device':
      return topics.device(audience.deviceId);
    case 'session':
      return topics.session(audience.sessionId);
    case 'community':
      return topics.community(audience.communityId);
    case 'channel':
      return audience.communityId
        ? topics.community(audience.communityId)
        : topics.channel(audience.channelId);
    case 'focused':
      return topics.focused(audience.channelId);
    case 'connection':
      return topics.connection(audience.connectionId);
    case 'everyone':
      return topics.everyone;
  }
}

/** Data a live connection carries for filters. */
export interface ConnectionData {
  readonly accountId: AccountId;
  /** The channel this socket shows; typing in it is heard here. */
  focus: { readonly channelId: ChannelId; readonly communityId: CommunityId | null } | null;
}
