// What a client knows after opening: the bootstrap with everything on top of it that happened while it was on its way,
// whichever came first.
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { Structure } from '#client/sync/structure.svelte.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, EventId } from '#shared/ids.ts';
import type { Bootstrap, ChannelHead } from '#shared/live.ts';

const me = 'a0000000-0000-4000-8000-000000000001' as AccountId;
const other = 'a0000000-0000-4000-8000-000000000002' as AccountId;
const communityId = 'c0000000-0000-4000-8000-000000000001' as CommunityId;
const channelId = 'd0000000-0000-4000-8000-000000000001' as ChannelId;

const account = (version: number) => ({
  accountId: me,
  username: 'ada',
  displayName: `Ada ${version}`,
  bio: '',
  pronouns: '',
  isDeleted: false,
  instanceRole: 'member' as const,
  presence: 'online' as const,
  version,
});
const community = (version: number): CommunityStructure => ({
  communityId,
  version,
  name: `Home ${version}`,
  description: '',
  ownerId: me,
  memberCount: 2,
  groups: [],
  channels: [],
  roles: [],
  overrides: [],
  own: { nickname: null, roleIds: [], joinedAt: 0 },
});

/** One step of a history: the event it was announced with, and what a server would answer after it. */
interface Moment {
  readonly event: LiveEvent | null;
  readonly bootstrap: Bootstrap;
}

const kinds = ['message', 'own', 'mention', 'edit', 'read', 'rekeyed', 'renamed', 'profile'] as const;
type Kind = (typeof kinds)[number];

/** What the server keeps: the channel's head, the cursor, and two versions. */
class Server {
  #head = { seq: 0, ordinal: 0, epoch: 1, readSeq: 0, readOrdinal: 0, mentions: 0, at: 0, devices: 1 };
  #version = 1;
  #accountVersion = 1;

  bootstrap(): Bootstrap {
    const { seq, ordinal, epoch, readSeq, readOrdinal, mentions, at, devices } = this.#head;
    const head: ChannelHead = [channelId, seq, ordinal, epoch, readSeq, readOrdinal, mentions, at, devices];
    const version = this.#version;
    const communities = [{ communityId, version, structure: community(version) }];
    return { now: 0, account: account(this.#accountVersion), communities, dms: [], heads: [head] };
  }

  take(kind: Kind): LiveEvent {
    switch (kind) {
      case 'message':
      case 'own':
      case 'mention':
      case 'edit':
        return this.#append(kind);
      case 'read': {
        const { seq: readSeq, ordinal: readOrdinal } = this.#head;
        this.#head = { ...this.#head, readSeq, readOrdinal, mentions: 0 };
        return { type: 'cursor.moved', channelId, readSeq, readOrdinal, mentions: 0 };
      }
      case 'rekeyed': {
        const [epoch, devices] = [this.#head.epoch + 1, this.#head.devices + 1];
        this.#head = { ...this.#head, epoch, devices };
        return { type: 'channel.rekeyed', channelId, epoch, devicesVersion: devices };
      }
      case 'renamed': {
        const { version, name, description, ownerId } = community((this.#version += 1));
        return { type: 'community.updated', communityId, version, name, description, ownerId };
      }
      case 'profile':
        return { type: 'account.updated', account: account((this.#accountVersion += 1)) };
    }
  }

  #append(kind: 'message' | 'own' | 'mention' | 'edit'): LiveEvent {
    const before = this.#head;
    const seq = before.seq + 1;
    const isMessage = kind !== 'edit';
    const ordinal = isMessage ? before.ordinal + 1 : before.ordinal;
    const read = kind === 'own' ? { readSeq: seq, readOrdinal: ordinal, mentions: 0 } : {};
    const mention = kind === 'mention' ? { mentions: before.mentions + 1 } : {};
    this.#head = { ...before, seq, ordinal, at: isMessage ? seq : before.at, ...read, ...mention };
    const event = {
      channelId,
      seq,
      eventId: `e${seq}` as EventId,
      class: isMessage ? ('message' as const) : ('edit' as const),
      ordinal: isMessage ? ordinal : null,
      senderAccountId: kind === 'own' ? me : other,
      senderDeviceId: '' as never,
      refId: null,
      epoch: before.epoch,
      envelope: '',
      stub: null,
      frankTag: null,
      createdAt: seq,
    };
    return { type: 'event.appended', event, chainCert: null, mentions: kind === 'mention' ? [me] : [] };
  }
}

/** A history made of these steps: each event, and what the server would answer right after it. */
function historyOf(steps: readonly Kind[]): Moment[] {
  const server = new Server();
  const first: Moment = { event: null, bootstrap: server.bootstrap() };
  return [first, ...steps.map((kind) => ({ event: server.take(kind), bootstrap: server.bootstrap() }))];
}

function stateOf(structure: Structure) {
  const known = structure.communities.get(communityId);
  return {
    account: structure.account,
    head: structure.head(channelId),
    community: known && { version: known.version, name: known.name },
    unread: structure.unread(channelId),
  };
}

describe('state + events = state', () => {
  it('the bootstrap of any moment, with every event since the stream opened, is the newest state', () => {
    const steps = fc.array(fc.constantFrom(...kinds), { maxLength: 25 });
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), (made, a, b) => {
        const history = historyOf(made);
        const opened = a % history.length;
        // The bootstrap is read after the stream opened: it holds some of what the stream will say again.
        const read = opened + (b % (history.length - opened));
        const structure = new Structure();
        structure.load(history[read]!.bootstrap);
        for (const { event } of history.slice(opened + 1)) if (event) structure.apply(event);
        const fresh = new Structure();
        fresh.load(history.at(-1)!.bootstrap);
        expect(stateOf(structure)).toEqual(stateOf(fresh));
      }),
      { numRuns: 300 },
    );
  });

  it('asks for a community again when a version was jumped, and an older answer changes nothing', () => {
    const structure = new Structure();
    structure.load(historyOf([])[0]!.bootstrap);
    const { name, description, ownerId } = community(3);
    const jump: LiveEvent = {
      type: 'community.updated',
      communityId,
      version: 3,
      name,
      description,
      ownerId,
    };
    expect(structure.apply(jump)).toBe(communityId);
    structure.replaceCommunity(community(4));
    structure.replaceCommunity(community(2));
    expect(structure.communities.get(communityId)?.version).toBe(4);
  });
});
