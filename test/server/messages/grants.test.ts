// Permission to send is remembered between messages; nothing that takes it away may be noticed one message late.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId, CommunityId } from '#shared/ids.ts';
import { refusal, type TestDeps } from '#test/support/deps.ts';
import { freshPeople } from '#test/support/fresh.ts';
import { Pen } from '#test/support/messages.ts';
import { makeHome, type Person } from '#test/support/people.ts';
import { sendMessage } from '#server/domains/messages/send.service.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

describe('remembered permission to send', () => {
  let db: TestDatabase;
  let test: TestDeps;
  let ada: Person;
  let ben: Person;
  let communityId: CommunityId;
  let channelId: ChannelId;
  let pen: Pen;

  const fresh = freshPeople({ ada: {}, ben: {} });
  beforeEach(async () => {
    ({ db, world: test, ada, ben } = await fresh());
    ({ communityId, channelId } = await makeHome(ada, ben));
    pen = new Pen(ben, channelId);
    await ben.api.messages.send(pen.text('allowed, and remembered'));
  });

  const key = () => ({ action: 'message.send', channelId, accountId: ben.actor.accountId }) as const;
  const count = () => db.prisma.channelEvent.count();

  it('is used: a second message asks for no facts', async () => {
    const asked: string[] = [];
    const query = test.deps.db.query.bind(test.deps.db);
    const spied = {
      ...test.deps.db,
      query: (async (name: string, sql: string, params?: readonly unknown[]) => {
        asked.push(name);
        return query(name, sql, params);
      }) as typeof query,
    };
    await sendMessage({ ...test.deps, db: spied }, ben.actor, pen.text('again'));
    expect(asked).toEqual([]);
    expect(await count()).toBe(2);
  });

  it('ends with the channel becoming read-only', async () => {
    await ada.api.channels.update({ channelId, isReadOnly: true });
    expect(test.deps.sends.grants.find(key())).not.toBeNull();
    expect(await refusal(ben.api.messages.send(pen.text()))).toMatchObject({
      code: 'forbidden',
      reason: 'read_only',
    });
    expect(await count()).toBe(1);
  });

  it('ends with a suspension, which raises no version', async () => {
    await db.prisma.account.update({ where: { id: ben.actor.accountId }, data: { suspendedAt: new Date() } });
    expect(await refusal(ben.api.messages.send(pen.text()))).toMatchObject({
      code: 'forbidden',
      reason: 'suspended',
    });
    expect(await count()).toBe(1);
  });

  it('ends with membership', async () => {
    await ada.api.communities.kick({ communityId, accountId: ben.actor.accountId });
    expect(await refusal(ben.api.messages.send(pen.text()))).toEqual({ code: 'not_found' });
  });

  it('survives a change that takes nothing away: judged again, sent once', async () => {
    await ada.api.communities.update({ communityId, name: 'House' });
    const message = pen.text('still allowed');
    expect(await ben.api.messages.send(message)).toMatchObject({ eventId: message.eventId, seq: 2 });
    expect(test.deps.sends.grants.find(key())?.version).toBeGreaterThan(1);
    expect(await count()).toBe(2);
  });
});
