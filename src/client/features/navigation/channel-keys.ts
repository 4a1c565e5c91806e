// Alt+↑ and Alt+↓: the channel before or after the one on screen, in the order of the sidebar.
import { channelsInOrder } from '#client/features/conversation/chat.svelte.ts';
import type { Structure } from '#client/sync/structure.svelte.ts';
import type { ChannelId, CommunityId } from '#shared/ids.ts';

export interface Spot {
  readonly communityId: CommunityId | null;
  readonly channelId: ChannelId | null;
}

/** Where the key leads; null when it is another key or there is nowhere to go. */
export function channelAfterKey(event: KeyboardEvent, structure: Structure, at: Spot): ChannelId | null {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  if (step === 0) return null;
  const ids = channelIds(structure, at.communityId);
  const from = at.channelId === null ? -1 : ids.indexOf(at.channelId);
  return ids[(from + step + ids.length) % ids.length] ?? null;
}

function channelIds(structure: Structure, communityId: CommunityId | null): ChannelId[] {
  if (communityId === null) {
    const at = (id: ChannelId): number => structure.head(id).lastMessageAt;
    return [...structure.dms.keys()].sort((a, b) => at(b) - at(a));
  }
  const community = structure.communities.get(communityId);
  return community ? channelsInOrder(community).map((channel) => channel.channelId) : [];
}
