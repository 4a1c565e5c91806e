// Lost everything, on a real server: the operator's link sets a password that opens no keys, and its holder starts over.
// What is lost, what stays, what others see, and what an old browser asks.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AskKeys } from '#client/features/session/closed-keys.ts';
import { KeysQuestion } from '#client/features/session/keys-question.svelte.ts';
import { PasswordResetForm } from '#client/features/session/password-reset.svelte.ts';
import type { Session } from '#client/features/session/session.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

const fresh = 'granite paddle willow forty';
let town: Town;
let ada: Workspace;
beforeAll(async () => {
  town = await Town.start();
  ({ ada } = town);
}, 120_000);
afterAll(() => town.stop());

async function signedIn(session: Session): Promise<Workspace> {
  const { workspace } = session;
  if (!workspace) throw new Error('not signed in');
  await eventually(() => expect(workspace.structure.isLoaded).toBe(true));
  return workspace;
}

async function check(person: Workspace, accountId: AccountId): Promise<void> {
  await eventually(async () => expect(await person.crypto.compare({ accountId })).not.toBeNull());
  const { aid } = (await person.crypto.compare({ accountId }))!;
  await person.crypto.verify({ accountId, aid, how: 'digits', now: person.now() });
  await person.identitySettled(accountId);
}

const stateOf = async (person: Workspace, accountId: AccountId): Promise<string> => {
  const [view] = await person.crypto.identities({ accountIds: [accountId] });
  return `${view?.state} ${view?.alarm ?? '-'}`;
};

const backedUp = (person: Workspace): Promise<void> =>
  eventually(async () => {
    await person.backup.run();
    expect(await person.crypto.backupView()).toMatchObject({ waiting: 0, refusal: null });
  });

/** Goes through the link and starts over, as the pages do. */
async function startOver(session: Session, code: string): Promise<void> {
  const form = new PasswordResetForm(session, code);
  form.password = fresh;
  const done = form.submit();
  await eventually(() => expect(form.keys?.step).toBe('ways'));
  const question = form.keys!;
  question.consider();
  question.username = 'ada';
  await question.confirm();
  expect([question.step, question.usernameFault]).toEqual(['confirm', 'startOver.nameDiffers']);
  question.username = ' Ben ';
  await question.confirm();
  expect(question.shown.code.length).toBeGreaterThan(25);
  question.shown.askBack();
  // Without the groups typed back nothing happens.
  await question.finish();
  expect(question.step).toBe('retype');
  question.shown.isRetyped = true;
  await question.finish();
  expect([await done, form.failure, form.hasStartedOver]).toEqual(['in', null, true]);
}

/** Writes and waits until the hearers, and who wrote, see it. */
async function say(
  from: Workspace,
  place: { at: ChannelId; to: readonly Workspace[] },
  said: string,
): Promise<void> {
  await write(from, place.at, text(said));
  for (const one of [from, ...place.to])
    await eventually(() => expect(textsIn(one, place.at)).toContain(said));
}

/** A room, one that shares its history, a direct conversation; people who checked each other, and Cleo who did not. */
async function makePast() {
  const { communityId, channelId: general } = town;
  const groupId = ada.structure.communities.get(communityId)!.groups[0]!.groupId;
  const open = { communityId, groupId, name: 'open', historyPolicy: 'shared' } as const;
  const { channelId: shared } = await ada.api.channels.create.mutate(open);
  const cleo = await town.bring('cleo');
  const { code: inviteCode } = await ada.api.invites.create.mutate({ communityId });
  const old = await town.stranger();
  await old.prepare('lathe kettle orchard seven');
  await old.register({ username: 'ben', displayName: 'Ben', inviteCode });
  const before = await signedIn(old);
  const ben = before.me!;
  const dm = (await ada.api.dms.open.mutate({ accountId: ben })).channel.channelId;
  for (const person of [ada, cleo, before])
    await Promise.all([person.log(general).open(), person.log(shared).open()]);
  await eventually(() => expect(before.structure.channel(dm)).not.toBeNull());
  await Promise.all([ada.log(dm).open(), before.log(dm).open()]);
  await check(ada, ben);
  await check(before, ada.me!);
  await say(ada, { at: general, to: [cleo, before] }, 'in the room');
  await say(ada, { at: shared, to: [cleo, before] }, 'for everybody');
  await say(before, { at: shared, to: [ada, cleo] }, 'mine of old');
  await say(before, { at: dm, to: [ada] }, 'a secret');
  await backedUp(before);
  // Their browser is out of reach from here on.
  before.close();
  return { old, cleo, ben, general, shared, dm };
}
let past: Awaited<ReturnType<typeof makePast>>;
let after: Workspace;

describe('A87 whoever lost everything', () => {
  beforeAll(async () => {
    past = await makePast();
    const said = await town.server.operate('user', 'reset-password', 'ben');
    const session = await town.stranger();
    await startOver(session, /#(\S+)/.exec(said)?.[1] ?? '');
    after = await signedIn(session);
  }, 120_000);

  it('A87 keeps the account and its places, and reads nothing from before', async () => {
    const { ben, general, shared, dm } = past;
    expect(after.me).toBe(ben);
    expect(after.structure.account).toMatchObject({ username: 'ben', displayName: 'Ben' });
    expect([...after.structure.communities.keys()]).toEqual([town.communityId]);
    expect(after.structure.channel(dm)).not.toBeNull();
    await Promise.all([general, shared, dm].map((id) => after.log(id).open()));
    for (const id of [general, dm])
      await eventually(() => expect(textsIn(after, id)).toEqual(['(failed before_device)']));
  });

  it('A87 gets no keys from who had not checked them before one tap, then also what is shared', async () => {
    const { cleo, ben, general, shared } = past;
    await eventually(async () => expect(await stateOf(cleo, ben)).toBe('held reset'));
    await say(cleo, { at: general, to: [ada] }, 'not for the new keys yet');
    const offered = (await cleo.crypto.identities({ accountIds: [ben] }))[0]!.offered!;
    await cleo.crypto.acceptIdentity({ accountId: ben, aid: offered, now: cleo.now() });
    await cleo.identitySettled(ben);
    await say(cleo, { at: general, to: [ada, after] }, 'welcome back');
    await eventually(() => expect(textsIn(after, shared)).toContain('for everybody'));
    expect(textsIn(after, shared)).not.toContain('mine of old');
  });

  it('A87 A05 is sent nothing by who had checked them until they check again; what those had open stays open', async () => {
    const { cleo, ben, general, dm } = past;
    await eventually(async () => expect(await stateOf(ada, ben)).toBe('blocked reset'));
    await check(ada, ben);
    expect(await stateOf(ada, ben)).toBe('verified -');
    await say(ada, { at: dm, to: [after] }, 'it is you');
    await say(after, { at: dm, to: [ada] }, 'it is me');
    await say(after, { at: general, to: [ada, cleo] }, 'here again');
    expect(textsIn(ada, dm)).toEqual(['a secret', 'it is you', 'it is me']);
  });

  it('A87 takes nothing from the others: a new browser of theirs still opens what was written before', async () => {
    const { general, shared, dm } = past;
    await say(ada, { at: dm, to: [after] }, 'and mine');
    await backedUp(ada);
    const second = await town.secondBrowser('ada');
    await Promise.all([general, shared, dm].map((id) => second.log(id).open()));
    const all = ['a secret', 'it is you', 'it is me', 'and mine'];
    await eventually(() => expect(textsIn(second, dm)).toEqual(all));
    await eventually(() => expect(textsIn(second, shared)).toEqual(['for everybody', 'mine of old']));
    // What was checked comes with the backup, a moment after the messages at times.
    await eventually(async () => expect(await stateOf(second, past.ben)).toBe('verified -'));
  }, 60_000);

  it('A87 is asked by a browser that knew the old keys; there whom they had checked is to be checked again', async () => {
    const { old, dm } = past;
    await backedUp(after);
    const login = { username: 'ben', password: fresh };
    await expect(old.login(login)).rejects.toMatchObject({ code: 'identity_reset' });
    const asked: string[] = [];
    const askKeys: AskKeys = async (keys) => {
      const question = new KeysQuestion(keys);
      asked.push(`${question.step} ${question.owner}`);
      const answered = question.answered();
      await question.take();
      return answered;
    };
    await old.login({ ...login, askKeys });
    expect(asked).toEqual(['strange ben']);
    const third = await signedIn(old);
    await third.log(dm).open();
    await eventually(() => expect(textsIn(third, dm)).toContain('it is you'));
    await eventually(async () => expect(await stateOf(third, ada.me!)).toBe('you_reset -'));
    await check(third, ada.me!);
    expect(await stateOf(third, ada.me!)).toBe('verified -');
  }, 60_000);
});
