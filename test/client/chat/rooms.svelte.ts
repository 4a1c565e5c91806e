// A conversation over real state classes, with a log that is filled by hand and a server that only takes notes.
import { Conversation } from '#client/features/conversation/conversation.svelte.ts';
import type { Draft } from '#client/crypto/protocol.ts';
import { Members } from '#client/sync/members.svelte.ts';
import type { MessageRow } from '#client/sync/message-row.ts';
import { People } from '#client/sync/people.svelte.ts';
import { Structure } from '#client/sync/structure.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { AccountId, ChannelId, CommunityId, DeviceId, EventId, RoleId } from '#shared/ids.ts';
import type { Bootstrap } from '#shared/live.ts';
import { rolePresets } from '#shared/permissions.ts';
import type { Profile } from '#shared/users.ts';

export const me = '0197a2f0-0000-7000-8000-00000000000a' as AccountId;
export const ben = '0197a2f0-0000-7000-8000-00000000000b' as AccountId;
export const channelId = 'channel' as ChannelId;

const profile = (accountId: AccountId, name: string): Profile => ({
  accountId,
  username: name.toLowerCase(),
  displayName: name,
  bio: '',
  pronouns: '',
  isDeleted: false,
});

export function row(seq: number, by: AccountId, text = `text ${seq}`): MessageRow {
  const base = { eventId: `event-${seq}` as EventId, seq, ordinal: seq, deviceId: 'device' as DeviceId };
  const shown = {
    isEdited: false,
    isPinned: false,
    replyTo: null,
    reactions: [],
    missingBefore: 0,
    isFading: false,
  };
  return {
    ...base,
    accountId: by,
    createdAt: 1_700_000_000_000 + seq * 1000,
    status: 'shown',
    text,
    ...shown,
  };
}

/** What a test may turn: rows of the log, what older pages hold, the head. */
export interface Room {
  readonly conversation: Conversation;
  readonly structure: Structure;
  readonly sent: Draft[];
  readonly moved: number[];
  said: number;
  rows: MessageRow[];
  older: MessageRow[][];
  /** What the outbox holds; put in before anything is read. */
  readonly drafts: Draft[];
  head(lastOrdinal: number, readOrdinal: number): void;
}

function bootstrap(): Bootstrap {
  const everyone = { roleId: 'everyone' as RoleId, name: 'everyone', colour: null, position: 0 };
  const communityId = 'community' as CommunityId;
  const channel = {
    channelId,
    communityId,
    groupId: null,
    kind: 'text',
    name: 'general',
    topic: '',
  } as const;
  const flags = {
    position: 0,
    isReadOnly: false,
    isArchived: false,
    slowModeMs: 0,
    historyPolicy: 'since_join' as const,
    epoch: 1,
    createdAt: 0,
  };
  const structure = {
    ...{ communityId, version: 1, name: 'Workshop', description: '', ownerId: ben, memberCount: 2 },
    ...{ groups: [], channels: [{ ...channel, ...flags }], overrides: [] },
    roles: [{ ...everyone, bits: rolePresets.member.bits }],
    own: { nickname: null, roleIds: [], joinedAt: 0 },
  };
  const account = { ...profile(me, 'Ada'), instanceRole: 'member', presence: 'online', version: 1 } as const;
  return { now: 0, account, communities: [{ communityId, version: 1, structure }], dms: [], heads: [] };
}

/** A log that holds what a test puts in. */
class HandLog {
  rows = $state.raw<MessageRow[]>([]);
  older = $state.raw<MessageRow[][]>([]);
  readonly status = 'ready';

  get hasOlder(): boolean {
    return this.older.length > 0;
  }

  get syncedTo(): number {
    return this.rows.at(-1)?.seq ?? 0;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  loadOlder(): Promise<void> {
    this.rows = [...(this.older[0] ?? []), ...this.rows];
    this.older = this.older.slice(1);
    return Promise.resolve();
  }

  find(id: EventId): MessageRow | null {
    return this.rows.find((found) => found.eventId === id) ?? null;
  }

  nextRev(): number {
    return 7;
  }
}

/** A room with Ada (oneself) and Ben in it. */
export async function openRoom(): Promise<Room> {
  const sent: Draft[] = [];
  const drafts: Draft[] = [];
  const moved: number[] = [];
  const members = [profile(me, 'Ada'), profile(ben, 'Ben')].map((p, index) => ({
    ...{ profile: p, nickname: null, roleIds: [], joinedAt: index },
  }));
  const api = {
    communities: { members: { query: () => Promise.resolve({ members, hasMore: false }) } },
    cursors: { move: { mutate: ({ seq }: { seq: number }) => Promise.resolve(moved.push(seq)) } },
  };
  const structure = new Structure();
  structure.load(bootstrap());
  const people = new People(() => api as never);
  const list = new Members({ api: () => api as never, people });
  await list.load('community' as CommunityId);
  const log = new HandLog();
  const workspace = {
    ...{ structure, people, members: list, me, api, log: () => log, now: () => 1_700_000_100_000 },
    notices: { get: () => [] },
    outbox: { of: () => drafts, add: (draft: Draft) => Promise.resolve(sent.push(draft)) },
    typing: { people: [ben], say: () => (room.said += 1) },
    live: { status: 'online' },
  };
  const room = {
    ...{ sent, drafts, moved, structure, said: 0 },
    conversation: new Conversation(workspace as unknown as Workspace, channelId),
    get rows() {
      return log.rows;
    },
    set rows(next) {
      log.rows = next;
    },
    get older() {
      return log.older;
    },
    set older(next) {
      log.older = next;
    },
    head(lastOrdinal: number, readOrdinal: number): void {
      const ordinals = { lastOrdinal, readOrdinal, lastSeq: lastOrdinal, readSeq: readOrdinal };
      structure.heads.set(channelId, { ...structure.head(channelId), ...ordinals });
    },
  };
  return room;
}
