// W1's server: a community whose members read one channel, and sealed messages of its owner.
import { Pen, type Sealed } from '#test/support/messages.ts';
import { makeIdentity } from '#test/support/keys.ts';
import { addCommunity, addPeople, tokensOf } from './populace.ts';
import { openStage, serveStage, type StageReady } from './stage.ts';

export interface ServerReady extends StageReady {
  readonly channelId: string;
  readonly tokens: readonly string[];
  /** Sealed sends of the first member, ready to be posted in order. */
  readonly sends: readonly Pick<Sealed, 'eventId' | 'envelope'>[];
}

/** A chain holds 1,000 messages: long runs take several. */
const MESSAGES_PER_CHAIN = 900;

const [people = '1', sends = '1', textBytes = '200'] = process.argv.slice(2);
const stage = await openStage();
const { deps } = stage.app;
const members = await addPeople(deps, Number(people));
const { channelId } = await addCommunity(deps, members);
const pen = new Pen(makeIdentity(deps.clock.now()), channelId);
const text = 'x'.repeat(Number(textBytes));
const sealed = Array.from({ length: Number(sends) }, (_, at) => {
  if (at > 0 && at % MESSAGES_PER_CHAIN === 0) pen.rotate(1);
  return pen.text(text);
});
await serveStage(stage, { channelId, tokens: await tokensOf(deps, members), sends: sealed });
