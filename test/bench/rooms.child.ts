// W3's server: many rooms of some members each, every person in several of them, and sealed messages for all.
import { makeIdentity } from '#test/support/keys.ts';
import { Pen } from '#test/support/messages.ts';
import { addCommunity, addPeople, tokensOf } from './populace.ts';
import type { RoomSend } from './rooms.ts';
import { openStage, serveStage } from './stage.ts';
import { compareStorage, type Conversation } from './storage.ts';

const [peopleCount = '1', roomCount = '1', membersPerRoom = '1', sendCount = '1'] = process.argv.slice(2);
const TEXT = 'x'.repeat(200);
const stage = await openStage();
const { deps } = stage.app;
const people = await addPeople(deps, Number(peopleCount));
/** Rooms overlap evenly: each begins a little further along the list of people. */
const stride = people.length / Number(roomCount);
const rooms = Array.from({ length: Number(roomCount) }, (_, room) =>
  Array.from({ length: Number(membersPerRoom) }, (_, at) => (Math.floor(room * stride) + at) % people.length),
);
const identity = makeIdentity(deps.clock.now());
const conversations: Conversation[] = [];
const pens: Pen[] = [];
for (const room of rooms) {
  const members = room.flatMap((at) => people[at] ?? []);
  const { channelId } = await addCommunity(deps, members);
  conversations.push({ channelId, members });
  pens.push(new Pen(identity, channelId));
}
/** Room after room; in each, member after member. */
const sends = Array.from({ length: Number(sendCount) }, (_, at): RoomSend => {
  const room = at % rooms.length;
  const members = rooms[room]!;
  const from = members[Math.floor(at / rooms.length) % members.length]!;
  const { eventId, envelope } = pens[room]!.text(TEXT);
  return { room, from, eventId, input: { envelope, packets: [] } };
});
const storage = () => compareStorage(deps, conversations);
await serveStage(stage, { tokens: await tokensOf(deps, people), rooms, sends }, { storage });
