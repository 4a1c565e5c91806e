// A real server process with people whose whole sync engine is real: a community, a channel, and sessions on it.
import { expect, vi } from 'vitest';
import type { Content, Draft } from '#client/crypto/protocol.ts';
import { DeviceLink } from '#client/features/linking/device-link.svelte.ts';
import { NewLink } from '#client/features/linking/new-device.svelte.ts';
import { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import type { Session } from '#client/features/session/session.svelte.ts';
import { uuidv7 } from '#client/lib/uuidv7.ts';
import type { Api } from '#client/api/trpc.ts';
import { Keys } from '#client/sync/keys.ts';
import { Outbox, type OutboxOptions } from '#client/sync/outbox.svelte.ts';
import type { MessageRow } from '#client/sync/message-row.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { ChannelId, CommunityId, EventId } from '#shared/ids.ts';
import { TestServer } from '#test/e2e/support/server.ts';
import { Browser } from './browser.ts';

const password = 'lathe kettle orchard seven';
/** Longer than the minute after which a key that did not come is asked for again. */
const patience = { timeout: 80_000, interval: 25 };

export const eventually = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, patience);

/** An outbox no other tab hears of: what happens in it stays in it. */
export function loneOutbox(options: OutboxOptions): Outbox {
  const real = globalThis.BroadcastChannel;
  const ignore = (): void => undefined;
  class Silent {
    addEventListener = ignore;
    postMessage = ignore;
    close = ignore;
  }
  vi.stubGlobal('BroadcastChannel', Silent);
  try {
    return new Outbox(options);
  } finally {
    vi.stubGlobal('BroadcastChannel', real);
  }
}

export class Town {
  readonly server: TestServer;
  readonly #browsers: Browser[] = [];
  readonly #browserOf = new Map<Workspace, Browser>();
  ada!: Workspace;
  communityId!: CommunityId;
  channelId!: ChannelId;

  private constructor(server: TestServer) {
    this.server = server;
  }

  static async start(): Promise<Town> {
    const town = new Town(await TestServer.start({ fromSource: true, env: { TRUST_PROXY: 'loopback' } }));
    const session = await town.#browse('ada', async (tab) => {
      await tab.start();
      await tab.prepare(password);
      await tab.register({ username: 'ada', displayName: 'Ada', setup: {} });
    });
    town.ada = session;
    const { communityId, channels } = await session.api.communities.create.mutate({ name: 'Home' });
    await eventually(() => expect(session.structure.communities.has(communityId)).toBe(true));
    Object.assign(town, { communityId, channelId: channels[0]!.channelId });
    return town;
  }

  /** At an address of its own, as people are: the server counts log-ins by it. The first is beside the server: it sets it up. */
  #newBrowser(): Browser {
    const count = this.#browsers.length;
    const browser = new Browser(this.server.url, count === 0 ? undefined : `198.51.100.${count}`);
    this.#browsers.push(browser);
    return browser;
  }

  async #browse(
    _name: string,
    enter: (tab: Session) => Promise<void>,
    prepare: (browser: Browser) => void = () => undefined,
  ): Promise<Workspace> {
    const browser = this.#newBrowser();
    prepare(browser);
    const tab = browser.tab();
    await enter(tab);
    const { workspace } = tab;
    if (!workspace) throw new Error('not signed in');
    await eventually(() => expect(workspace.structure.isLoaded).toBe(true));
    this.#browserOf.set(workspace, browser);
    return workspace;
  }

  /** The browser somebody's workspace runs in. */
  browserOf(workspace: Workspace): Browser {
    return this.#browserOf.get(workspace)!;
  }

  /** Registers somebody by an invite into the community. */
  async bring(username: string): Promise<Workspace> {
    const { code } = await this.ada.api.invites.create.mutate({ communityId: this.communityId });
    const workspace = await this.#browse(username, async (tab) => {
      await tab.start();
      await tab.prepare(password);
      await tab.register({ username, displayName: username, inviteCode: code });
    });
    if (workspace.structure.communities.size === 0) await workspace.api.invites.accept.mutate({ code });
    await eventually(() => expect(workspace.structure.communities.has(this.communityId)).toBe(true));
    return workspace;
  }

  /** A browser with the records of another one's profile, somebody logged in to it: a copy, or a restored backup. */
  copiedBrowser(username: string, records: ReturnType<Browser['snapshot']>): Promise<Workspace> {
    const enter = async (tab: Session): Promise<void> => {
      await tab.start();
      await tab.login({ username, password });
    };
    return this.#browse(username, enter, (browser) => browser.restore(records));
  }

  /** A second browser of somebody: the vault certifies a new device. */
  secondBrowser(username: string): Promise<Workspace> {
    return this.#browse(username, async (tab) => {
      await tab.start();
      await tab.login({ username, password });
    });
  }

  /** A browser that a device of somebody lets in, without a password. */
  linkedBrowser(old: Workspace): Promise<Workspace> {
    return this.#browse('linked', async (tab) => {
      await tab.start();
      const fresh = new NewLink(tab);
      const entered = fresh.run();
      await eventually(() => expect(fresh.step).toBe('shown'));
      const link = new DeviceLink(old, new Reauthentication());
      await link.take(` ${fresh.code}\n`);
      expect(link.step).toBe('review');
      await eventually(() => expect(fresh.echo).toEqual(link.echo));
      await link.approve();
      expect(link.step).toBe('linked');
      expect(await entered).toBe(true);
    });
  }

  /** A browser of nobody yet. */
  async stranger(): Promise<Session> {
    const browser = this.#newBrowser();
    const tab = browser.tab();
    await tab.start();
    return tab;
  }

  /** An outbox and keys of this person that talk to another server than the one everybody else does. */
  withApi(workspace: Workspace, api: () => Api): Outbox {
    const { crypto, structure } = workspace;
    const now = (): number => workspace.now();
    const ignore = (): void => undefined;
    const events = { onUnlocked: ignore, onIdentities: ignore, onReaders: ignore, onRepair: ignore };
    const keys = new Keys({ crypto, api, structure, now, ...events });
    Object.defineProperty(keys, 'isLeader', { value: true });
    return loneOutbox({ crypto, api, keys, now, onAccepted: () => Promise.resolve(true) });
  }

  async stop(): Promise<void> {
    for (const browser of this.#browsers) browser.close();
    await this.server.remove();
  }
}

export function draftOf(channelId: ChannelId, content: Content): Draft {
  const refId =
    content.type === 'text' ? content.replyTo : content.type === 'unknown' ? null : content.target;
  const isMessage = content.type === 'text' || content.type === 'unknown';
  return {
    eventId: uuidv7(Date.now()) as EventId,
    channelId,
    class: isMessage ? 'message' : content.type,
    content,
    refId,
    mentions: [],
    createdAt: Date.now(),
    failure: null,
  };
}

export const text = (body: string): Content => ({ type: 'text', text: body, replyTo: null });

/** Writes through the outbox and answers the event's id. */
export async function write(from: Workspace, channelId: ChannelId, content: Content): Promise<EventId> {
  const draft = draftOf(channelId, content);
  await from.outbox.add(draft);
  return draft.eventId;
}

export const shown = (row: MessageRow): string | null =>
  row.status === 'shown' ? row.text : `(${row.status}${'reason' in row ? ` ${row.reason}` : ''})`;

export const textsIn = (workspace: Workspace, channelId: ChannelId): (string | null)[] =>
  workspace.log(channelId).rows.map(shown);
