// A message that was encrypted and could not be sent: it is repeated as it is while others would take it, then made anew.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConversationRef, EncryptInput, SealedMessage } from '#client/crypto/protocol.ts';
import { textsOf } from '../support/exchange.ts';
import { makeWorld, type World } from '../support/world.ts';

const DAY = 86_400_000;

describe('a message that waits to be sent', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });

  async function sealed(
    conversation: ConversationRef,
    input: Pick<EncryptInput, 'eventId'>,
  ): Promise<SealedMessage> {
    const { server, ada } = world;
    await server.prepare(ada, conversation);
    const content = { type: 'text', text: 'late', replyTo: null } as const;
    return ada.engine.encrypt({
      ...input,
      conversation,
      class: 'message',
      content,
      refId: null,
      now: server.now,
    });
  }

  it.each<[string, { policy: Partial<ConversationRef>; within: number; over: number }]>([
    ['stays', { policy: {}, within: 8.9 * DAY, over: 9.1 * DAY }],
    ['is kept for a day', { policy: { isEphemeral: true }, within: 0.9 * DAY, over: 1.1 * DAY }],
  ])('in a channel where what is written %s', async (_what, { policy, within, over }) => {
    const { server, ada, ben } = world;
    const talk = { ...world.talk, ...policy };
    const start = server.now;
    const input = { eventId: server.newEventId() };
    const first = await sealed(talk, input);
    server.now = start + within;
    expect((await sealed(talk, input)).envelope).toBe(first.envelope);
    server.now = start + over;
    const anew = await sealed(talk, input);
    expect(anew.envelope).not.toBe(first.envelope);
    expect(await sealed(talk, input)).toEqual(anew);
    server.post(ada, anew.packets);
    server.append(ada, anew);
    await ada.engine.acknowledge({ channelId: talk.channelId, eventId: input.eventId });
    expect(textsOf(await server.read(ben, talk))).toEqual(['late']);
    expect(textsOf(await server.read(ada, talk))).toEqual(['late']);
  });
});
