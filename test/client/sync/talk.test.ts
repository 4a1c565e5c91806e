// The sync engine of several people against a real server: what one writes the others read, whatever happens between.
import { TRPCClientError } from '@trpc/client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi } from '#client/crypto/protocol.ts';
import { ChannelLog } from '#client/sync/channel-log.svelte.ts';
import type { Outbox } from '#client/sync/outbox.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { permission } from '#shared/permissions.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { draftOf, eventually, loneOutbox, shown, text, textsIn, Town, write } from '../support/town.ts';

let town: Town;
let ada: Workspace;
let ben: Workspace;
let general: ChannelId;

beforeAll(async () => {
  town = await Town.start();
  ({ ada, channelId: general } = town);
  ben = await town.bring('ben');
  await Promise.all([ada.log(general).open(), ben.log(general).open()]);
}, 120_000);
afterAll(() => town.stop());

let rooms = 0;
/** A channel of its own for a test, open at both. */
async function room(): Promise<ChannelId> {
  const { communityId } = town;
  const groupId = ada.structure.communities.get(communityId)!.groups[0]!.groupId;
  const name = `room${(rooms += 1)}`;
  const { channelId } = await ada.api.channels.create.mutate({ communityId, groupId, name });
  for (const workspace of [ada, ben]) {
    await eventually(() => expect(workspace.structure.channel(channelId)).not.toBeNull());
    await workspace.log(channelId).open();
  }
  return channelId;
}

async function eventsOf(channelId: ChannelId): Promise<readonly ChannelEvent[]> {
  return (await ada.api.messages.gap.query({ channelId, fromSeq: 1, toSeq: 400 })).events;
}

const bothSee = (channelId: ChannelId, texts: readonly (string | null)[]): Promise<void> =>
  eventually(() => {
    expect(textsIn(ben, channelId)).toEqual(texts);
    expect(textsIn(ada, channelId)).toEqual(texts);
  });

describe('a conversation', () => {
  it('is the same at both ends, with edits, reactions and deletions, and leaves no row behind', async () => {
    const channelId = await room();
    const target = await write(ada, channelId, text('helo'));
    await bothSee(channelId, ['helo']);
    await write(ben, channelId, { type: 'reaction', target, emoji: '👋', add: true, rev: 1 });
    await write(ada, channelId, { type: 'edit', target, rev: 1, text: 'hello' });
    const other = await write(ben, channelId, text('a secret'));
    await bothSee(channelId, ['hello', 'a secret']);
    await write(ben, channelId, { type: 'redact', target: other });
    await bothSee(channelId, ['hello', '(removed)']);
    const row = ada.log(channelId).find(target);
    expect(row).toMatchObject({ isEdited: true, reactions: [{ emoji: '👋', accountIds: [ben.me] }] });
    await eventually(() => expect([...ada.outbox.of(channelId), ...ben.outbox.of(channelId)]).toEqual([]));
    const events = await eventsOf(channelId);
    const removed = events.find((event) => event.eventId === other)!;
    const [again] = await ada.crypto.decrypt({
      channelId,
      kind: 'text',
      members: null,
      epoch: 1,
      events: [removed],
      chainCerts: [],
      now: Date.now(),
    });
    expect(again?.status).toBe('redacted');
  });

  it('goes on after both were offline: nothing lost, nothing doubled', async () => {
    const channelId = await room();
    await write(ada, channelId, text('before'));
    await bothSee(channelId, ['before']);
    ben.live.stop();
    await write(ada, channelId, text('while ben is away'));
    const kept = draftOf(channelId, text('written offline'));
    const offline = { ...kept };
    await ben.crypto.keepDraft({ draft: offline });
    await eventually(() => expect(textsIn(ada, channelId)).toEqual(['before', 'while ben is away'])).finally(
      () => ben.live.start(),
    );
    await bothSee(channelId, ['before', 'while ben is away', 'written offline']);
    await eventually(() => expect(ben.outbox.of(channelId)).toEqual([]));
    const ids = (await eventsOf(channelId)).map((event) => event.eventId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('in a direct conversation reaches every device, also one that came a moment ago', async () => {
    const dora = await town.bring('dora');
    const { channel } = await ada.api.dms.open.mutate({ accountId: dora.me! });
    const { channelId } = channel;
    for (const workspace of [ada, dora])
      await eventually(() => expect(workspace.structure.channel(channelId)).not.toBeNull());
    await Promise.all([ada.log(channelId).open(), dora.log(channelId).open()]);
    await write(ada, channelId, text('first'));
    await eventually(() => expect(textsIn(dora, channelId)).toEqual(['first']));
    const phone = await town.secondBrowser('dora');
    await phone.log(channelId).open();
    await write(ada, channelId, text('to both devices'));
    await eventually(() => expect(textsIn(phone, channelId).at(-1)).toBe('to both devices'));
    await eventually(() => expect(textsIn(dora, channelId)).toEqual(['first', 'to both devices']));
    await write(phone, channelId, text('from the phone'));
    await eventually(() => expect(textsIn(ada, channelId).at(-1)).toBe('from the phone'));
    await eventually(() => expect(textsIn(dora, channelId).at(-1)).toBe('from the phone'));
  });

  it('goes on under a new epoch after somebody was removed, and they read nothing of it', async () => {
    const eve = await town.bring('eve');
    await eve.log(general).open();
    await write(ada, general, text('with eve'));
    await eventually(() => expect(textsIn(eve, general).at(-1)).toBe('with eve'));
    await ada.api.communities.kick.mutate({ communityId: town.communityId, accountId: eve.me! });
    await write(ada, general, text('without eve'));
    await eventually(() => expect(textsIn(ben, general).at(-1)).toBe('without eve'));
    const events = await eventsOf(general);
    expect(events.slice(-2).map((event) => event.epoch)).toEqual([1, 2]);
    expect(textsIn(eve, general)).not.toContain('without eve');
    expect(eve.structure.communities.has(town.communityId)).toBe(false);
    await eventually(() => expect(ada.outbox.of(general)).toEqual([]));
  });
});

/** An outbox of Ada's with something in its way. */
function outboxWith(parts: { crypto?: Partial<CryptoApi>; api?: Api }): Outbox {
  const crypto = new Proxy(ada.crypto, {
    get: (target, name: keyof CryptoApi) => parts.crypto?.[name] ?? target[name],
  });
  return loneOutbox({
    crypto,
    api: () => parts.api ?? ada.api,
    keys: ada.keys,
    now: () => ada.now(),
    onAccepted: () => Promise.resolve(true),
  });
}

describe('the outbox', () => {
  it('repeats what was accepted but not acknowledged, and there is one event', async () => {
    const channelId = await room();
    const draft = draftOf(channelId, text('once'));
    const dying = outboxWith({ crypto: { acknowledge: () => Promise.reject(new Error('the tab died')) } });
    await dying.add(draft).catch(() => undefined);
    await eventually(async () => expect(await eventsOf(channelId)).toHaveLength(1));
    expect((await ada.crypto.drafts()).map((kept) => kept.eventId)).toEqual([draft.eventId]);
    await ada.outbox.resume();
    await eventually(async () => expect(await ada.crypto.drafts()).toEqual([]));
    await write(ada, channelId, text('twice'));
    await bothSee(channelId, ['once', 'twice']);
    expect(await eventsOf(channelId)).toHaveLength(2);
  });

  it('goes on by itself when the connection came back while an attempt was still failing', async () => {
    const channelId = await room();
    let fail: (() => void) | null = null;
    const lost = (): Promise<never> =>
      new Promise((_resolve, reject) => {
        fail = () => reject(new Error('the connection is gone'));
      });
    let isDown = true;
    const api = new Proxy(ada.api, {
      get: (target, name: keyof Api) =>
        name === 'messages' && isDown ? { send: { mutate: lost } } : target[name],
    });
    const outbox = outboxWith({ api });
    await outbox.add(draftOf(channelId, text('kept')));
    await eventually(() => expect(fail).not.toBeNull());
    isDown = false;
    await outbox.resume();
    fail!();
    await eventually(async () => expect(await eventsOf(channelId)).toHaveLength(1));
    await eventually(async () => expect(await ada.crypto.drafts()).toEqual([]));
  }, 60_000);

  it('waits for slow mode, and keeps with words what is refused', async () => {
    const channelId = await room();
    await ada.api.channels.update.mutate({ channelId, slowModeMs: 1500 });
    const started = Date.now();
    await write(ben, channelId, text('one'));
    await write(ben, channelId, text('two'));
    await bothSee(channelId, ['one', 'two']);
    expect(Date.now() - started).toBeGreaterThan(1000);
    await ada.api.channels.update.mutate({ channelId, slowModeMs: 0, isReadOnly: true });
    const refused = await write(ben, channelId, text('may I?'));
    await eventually(() => expect(ben.outbox.of(channelId)).toMatchObject([{ failure: 'forbidden' }]));
    expect((await ben.crypto.drafts()).map((kept) => [kept.eventId, kept.failure])).toEqual([
      [refused, 'forbidden'],
    ]);
    await ada.api.channels.update.mutate({ channelId, isReadOnly: false });
    await eventually(() => expect(ben.structure.channel(channelId)?.isReadOnly).toBe(false));
    await ben.outbox.retry(refused);
    await bothSee(channelId, ['one', 'two', 'may I?']);
  });

  it('sends nothing to keys that do not verify, and says so', async () => {
    const fay = await town.bring('fay');
    const { channel } = await ada.api.dms.open.mutate({ accountId: fay.me! });
    const { channelId } = channel;
    await eventually(() => expect(ada.structure.channel(channelId)).not.toBeNull());
    const sends: unknown[] = [];
    const real = ada.api;
    // The server swaps the set of another device into the answer: right in form, of the wrong person.
    const swapped = {
      query: undefined,
      mutate: async (input: { targets: { accountId: string; deviceId: string }[] }) => {
        const wrong = { accountId: ben.me!, deviceId: await ben.crypto.findDevice({ accountId: ben.me! }) };
        const [claim] = await real.prekeys.claim.mutate({ targets: [wrong as never] });
        return input.targets.map((target) => ({ ...claim, ...target }));
      },
    };
    const api = () =>
      ({
        ...real,
        devices: real.devices,
        channels: real.channels,
        prekeys: { claim: swapped },
        messages: { send: { mutate: (input: unknown) => Promise.resolve(void sends.push(input)) } },
      }) as unknown as Api;
    const hostile = town.withApi(ada, api);
    const draft = draftOf(channelId, text('never'));
    await hostile.add(draft);
    await eventually(() => expect(hostile.of(channelId)).toMatchObject([{ failure: 'keys_invalid' }]));
    expect(sends).toEqual([]);
    expect(await eventsOf(channelId)).toEqual([]);
    await ada.crypto.dropDraft({ eventId: draft.eventId });
  });
});

describe('a direct message', () => {
  it('waits for the keys of a device that is just being added, instead of failing', async () => {
    const gus = await town.bring('gus');
    const { channel } = await ada.api.dms.open.mutate({ accountId: gus.me! });
    const { channelId } = channel;
    for (const workspace of [ada, gus])
      await eventually(() => expect(workspace.structure.channel(channelId)).not.toBeNull());
    await gus.log(channelId).open();
    // The server refuses what leaves a live device out; its keys are there from the sixth try on.
    let claims = 0;
    const real = ada.api;
    const notYet = async (input: { targets: { accountId: string; deviceId: string }[] }) => {
      claims += 1;
      if (claims > 5) return real.prekeys.claim.mutate(input);
      return input.targets.map((target) => ({ ...target, status: 'refused', reason: 'no_keys' }));
    };
    const api = () =>
      ({
        ...real,
        devices: real.devices,
        channels: real.channels,
        messages: real.messages,
        mailbox: real.mailbox,
        prekeys: { claim: { mutate: notYet } },
      }) as unknown as Api;
    const outbox = town.withApi(ada, api);
    await outbox.add(draftOf(channelId, text('a little later')));
    await eventually(() => expect(textsIn(gus, channelId)).toEqual(['a little later']));
    expect(claims).toBe(6);
    await eventually(() => expect(outbox.of(channelId).filter((row) => row.failure !== null)).toEqual([]));
  });
});

describe('a message the server has in another shape', () => {
  it('counts as sent, and the next ones of the channel go out', async () => {
    const channelId = await room();
    const real = ada.api;
    const conflict = TRPCClientError.from({
      error: { message: '', code: -32603, data: { app: { code: 'conflict', what: 'eventId' } } },
    });
    let sends = 0;
    const mutate = async (input: never): Promise<unknown> => {
      sends += 1;
      const ack = await real.messages.send.mutate(input);
      if (sends === 1) throw conflict;
      return ack;
    };
    const others = {
      devices: real.devices,
      channels: real.channels,
      mailbox: real.mailbox,
      prekeys: real.prekeys,
    };
    const outbox = town.withApi(ada, () => ({ ...others, messages: { send: { mutate } } }) as unknown as Api);
    await outbox.add(draftOf(channelId, text('once')));
    await outbox.add(draftOf(channelId, text('and on')));
    await bothSee(channelId, ['once', 'and on']);
    expect([sends, await ada.crypto.drafts()]).toEqual([2, []]);
  });
});

describe('a message that a tab began to send and did not finish', () => {
  it('goes out before the next one of another tab, which would wait for it in vain', async () => {
    const channelId = await room();
    const outbox = town.withApi(ada, () => ada.api);
    await outbox.resume();
    const begun = draftOf(channelId, text('begun'));
    await ada.crypto.keepDraft({ draft: begun });
    const conversation = await ada.keys.conversation(channelId);
    await ada.keys.prepare(conversation);
    await ada.crypto.encrypt({ ...begun, conversation, now: ada.now() });
    await outbox.add(draftOf(channelId, text('next')));
    await bothSee(channelId, ['begun', 'next']);
    await eventually(() => expect(outbox.waiting).toBe(0));
  });
});

describe('a channel log', () => {
  /** Ben's view of a channel, fed by hand; the server behind it is real. */
  function logOf(channelId: ChannelId): ChannelLog {
    return new ChannelLog({
      channelId,
      api: () => ben.api,
      crypto: ben.crypto,
      now: () => ben.now(),
      conversation: () => ({ kind: 'text', members: null, epoch: 1 }),
      keys: ben.keys,
      onKeysMissing: () => undefined,
      isModerator: () => false,
      onSettled: () => undefined,
    });
  }

  it('shows the same whatever the order, repetition and loss of live events', async () => {
    const channelId = await room();
    const log = logOf(channelId);
    await log.open();
    const target = await write(ada, channelId, text('m0'));
    for (let n = 1; n < 6; n++) await write(ada, channelId, text(`m${n}`));
    await write(ada, channelId, { type: 'edit', target, rev: 1, text: 'm0 edited' });
    const expected = ['m0 edited', 'm1', 'm2', 'm3', 'm4', 'm5'];
    await bothSee(channelId, expected);
    const events = await eventsOf(channelId);
    for (const at of [3, 3, 0, 6, 1, 6, 5]) log.receive(events[at]!, null);
    await eventually(() => expect(log.rows.map(shown)).toEqual(expected));
    expect(log.syncedTo).toBe(events.length);
  });

  it('loads older pages down to the first message', async () => {
    const channelId = await room();
    for (let n = 0; n < 56; n++) await write(ada, channelId, text(`${n}`));
    await eventually(() => expect(ada.outbox.of(channelId)).toEqual([]));
    const log = logOf(channelId);
    await log.open();
    expect([log.rows.length, log.hasOlder]).toEqual([50, true]);
    await log.loadOlder();
    expect(log.hasOlder).toBe(false);
    expect(log.rows.map(shown)).toEqual(Array.from({ length: 56 }, (_, n) => `${n}`));
    expect(log.rows.every((row) => row.status === 'shown' && row.missingBefore === 0)).toBe(true);
  }, 90_000);

  it('says that the server withholds what is gone without a deletion anybody signed', async () => {
    const channelId = await room();
    await write(ada, channelId, text('here'));
    await bothSee(channelId, ['here']);
    const [event] = await eventsOf(channelId);
    const log = logOf(channelId);
    await log.open();
    const stub = { chainId: null, iter: null, linkHash: null };
    log.receive(
      { ...event!, seq: 2, eventId: draftOf(channelId, text('')).eventId, envelope: null, stub },
      null,
    );
    await eventually(() => expect(log.rows.map(shown)).toEqual(['here', '(failed withheld_by_server)']));
  });
});

it('a channel that becomes visible while connected counts as unread only what is said from then on', async () => {
  const { communityId } = town;
  const channelId = await room();
  const where = { communityId, channelId, accountId: ben.me!, allow: 0 };
  await ada.api.roles.setOverride.mutate({ ...where, deny: permission.view });
  await eventually(() => expect(ben.structure.channel(channelId)).toBeNull());
  for (const n of [1, 2, 3]) await write(ada, channelId, text(`behind closed doors ${n}`));
  await eventually(() => expect(ada.structure.head(channelId).lastSeq).toBe(3));
  // As if it had been there long before: only the client's idea of young is about age.
  vi.spyOn(ben, 'now').mockImplementation(() => Date.now() + 600_000);
  await ada.api.roles.setOverride.mutate({ ...where, deny: 0 });
  await eventually(() => expect(ben.structure.channel(channelId)).not.toBeNull());
  await write(ada, channelId, text('hello again'));
  await eventually(() => {
    expect(ben.structure.head(channelId).lastSeq).toBe(4);
    expect(ben.structure.unread(channelId)).toBe(1);
  });
  vi.restoreAllMocks();
}, 60_000);

describe('a connection that broke without a word', () => {
  afterEach(() => void vi.useRealTimers());

  it('is noticed as soon as the tab is looked at again, and nothing said meanwhile is missing', async () => {
    const channelId = await room();
    expect(ben.live.status).toBe('online');
    dispatchEvent(new Event('visibilitychange'));
    expect(ben.live.status).toBe('online');
    // The machine sleeps: time goes on, nothing is heard.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + limits.silenceMs + 1000 });
    dispatchEvent(new Event('visibilitychange'));
    expect(ben.live.status).toBe('waiting');
    vi.useRealTimers();
    await write(ada, channelId, text('while you were away'));
    await eventually(() => expect(ben.live.status).toBe('online'));
    await bothSee(channelId, ['while you were away']);
  }, 60_000);
});
