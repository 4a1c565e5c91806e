// The members of a community as they are loaded: a page at a time, once for however many ask, all of them for a search.
import { beforeEach, describe, expect, it } from 'vitest';
import { MemberList } from '#client/features/members/member-list.svelte.ts';
import { Members } from '#client/sync/members.svelte.ts';
import { People } from '#client/sync/people.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { MemberSummary, MembersPage } from '#shared/communities.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';

const communityId = 'community' as CommunityId;
const PAGES = 3;

const member = (n: number): MemberSummary => ({
  profile: {
    ...{ accountId: `account-${n}` as AccountId, username: `user${n}`, displayName: `User ${n}` },
    ...{ bio: '', pronouns: '', isDeleted: false },
  },
  ...{ nickname: null, roleIds: [], joinedAt: n },
});

/** A server that answers when it is told to: pages of one member each. */
class SlowServer {
  readonly waiting: { answer: () => void; fail: () => void }[] = [];
  asked = 0;

  readonly api = {
    communities: { members: { query: ({ after }: { after?: { joinedAt: number } }) => this.#page(after) } },
  };

  #page(after?: { joinedAt: number }): Promise<MembersPage> {
    this.asked += 1;
    const n = (after?.joinedAt ?? 0) + 1;
    return new Promise((resolve, reject) => {
      this.waiting.push({
        answer: () => resolve({ members: [member(n)], hasMore: n < PAGES }),
        fail: () => reject(new Error('the network went')),
      });
    });
  }

  async answer(): Promise<void> {
    this.waiting.shift()?.answer();
    await new Promise((resolve) => setTimeout(resolve));
  }
}

let server: SlowServer;
let members: Members;
let list: MemberList;
beforeEach(() => {
  server = new SlowServer();
  const api = () => server.api as never;
  members = new Members({ api, people: new People(api) });
  list = new MemberList({ members } as unknown as Workspace, communityId);
});
const loaded = (): number => members.of(communityId).length;

describe('the members of a community', () => {
  it('are asked for once, and all who asked wait for the answer', async () => {
    let done = 0;
    for (const ask of [() => members.load(communityId), () => list.loadMore()])
      void ask().then(() => (done += 1));
    await new Promise((resolve) => setTimeout(resolve));
    expect([server.asked, done, list.isLoading]).toEqual([1, 0, true]);
    await server.answer();
    expect([server.asked, done, list.isLoading, loaded()]).toEqual([1, 2, false, 1]);
  });

  it('come page by page, and to the end for a search', async () => {
    const all = list.loadAll();
    for (let page = 0; page < PAGES; page++) await server.answer();
    await all;
    expect([loaded(), list.hasMore, server.asked]).toEqual([PAGES, false, PAGES]);
  });

  it('are asked for again after a failure, and not before', async () => {
    const all = list.loadAll();
    expect(list.isLoading).toBe(true);
    server.waiting.shift()?.fail();
    await all;
    expect([server.asked, list.isLoading, list.hasMore]).toEqual([1, false, true]);
    const more = list.loadMore();
    await server.answer();
    await more;
    expect([server.asked, loaded()]).toEqual([2, 1]);
  });
});
