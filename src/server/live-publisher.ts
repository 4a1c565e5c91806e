// LivePublisher over the live hub: audiences become topics. Closing goes to every socket of a session, with or
// without a live subscription.
import { CLOSE_REVOKED, type LiveConnection, type LiveHub } from './platform/live-hub.ts';
import type { LivePublisher } from './deps.ts';
import type { SocketRegistry } from './sockets.ts';
import { topicOf, topics, type ConnectionData } from './topics.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';

type Connections = Iterable<LiveConnection<LiveEvent, ConnectionData>>;

/** Who leaves a community stops hearing typing in its channels too. */
function unfocus(connections: Connections, communityId: CommunityId): void {
  for (const connection of connections) {
    const { focus } = connection.data;
    if (focus?.communityId !== communityId) continue;
    connection.leave(topics.focused(focus.channelId));
    connection.data.focus = null;
  }
}

export function createLivePublisher(
  hub: LiveHub<LiveEvent, ConnectionData>,
  sockets: SocketRegistry,
  /** Called when somebody stopped being a member of a community: presence is the live domain's. */
  onParted: (accountId: AccountId) => void,
): LivePublisher {
  return {
    publish(audience, event) {
      if (audience.to !== 'focused') return hub.publish(topicOf(audience), event);
      const { except } = audience;
      hub.publish(topicOf(audience), event, { filter: (connection) => connection.data.accountId !== except });
    },
    publishAppended(audience, event) {
      const { channelId } = audience;
      hub.publishOrdered({ stream: channelId, seq: event.event.seq, topics: [topicOf(audience)], event });
    },
    listeners: (audience) => hub.count(topicOf(audience)),
    joinCommunity: (accountId, communityId) =>
      hub.join(topics.account(accountId), topics.community(communityId)),
    leaveCommunity(accountId, communityId) {
      hub.leave(topics.account(accountId), topics.community(communityId));
      unfocus(hub.connections(topics.account(accountId)), communityId);
      onParted(accountId);
    },
    dissolveCommunity(communityId) {
      const connections = [...hub.connections(topics.community(communityId))];
      unfocus(connections, communityId);
      hub.dissolve(topics.community(communityId));
      for (const accountId of new Set(connections.map(({ data }) => data.accountId))) onParted(accountId);
    },
    changeReaders(channelId, { joined, left }) {
      for (const accountId of left) {
        hub.leave(topics.account(accountId), topics.channel(channelId));
        hub.leave(topics.account(accountId), topics.focused(channelId));
      }
      for (const accountId of joined) hub.join(topics.account(accountId), topics.channel(channelId));
    },
    dissolveChannel(channelId) {
      hub.dissolve(topics.channel(channelId));
      hub.dissolve(topics.focused(channelId));
    },
    closeSession(sessionId) {
      hub.close(topics.session(sessionId), CLOSE_REVOKED, 'revoked');
      sockets.closeSession(sessionId);
    },
    closeDevice(deviceId) {
      hub.close(topics.device(deviceId), CLOSE_REVOKED, 'revoked');
      sockets.closeDevice(deviceId);
    },
    forgetIdle: (limit) => hub.forgetIdle(limit),
    closeAccount(accountId) {
      hub.close(topics.account(accountId), CLOSE_REVOKED, 'revoked');
      sockets.closeAccount(accountId);
    },
  };
}
