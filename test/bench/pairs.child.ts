// W2's server: pairs of people, each with their direct conversation, and sealed messages with one key packet each.
import type { DeviceActor } from '#server/deps.ts';
import type { ChannelId } from '#shared/ids.ts';
import { makeIdentity } from '#test/support/keys.ts';
import { opaquePacket, sealDm } from '#test/support/messages.ts';
import { addCommunity, addPeople, openDm, tokensOf } from './populace.ts';
import type { RoomSend } from './rooms.ts';
import { openStage, serveStage } from './stage.ts';

const [pairCount = '1', sendCount = '1', textBytes = '200'] = process.argv.slice(2);
const stage = await openStage();
const { deps } = stage.app;
const people = await addPeople(deps, Number(pairCount) * 2);
await addCommunity(deps, people);
const person = (at: number): DeviceActor => {
  const found = people[at];
  if (!found) throw new Error(`no person ${at}`);
  return found;
};
const rooms = Array.from({ length: Number(pairCount) }, (_, room) => [room * 2, room * 2 + 1]);
const channelIds: ChannelId[] = [];
for (const [own = 0, other = 0] of rooms)
  channelIds.push(await openDm(deps, person(own), person(other).accountId));

const identity = makeIdentity(deps.clock.now());
const text = 'x'.repeat(Number(textBytes));
/** In turn of pairs; within a pair one speaks, then the other. */
const sends = Array.from({ length: Number(sendCount) }, (_, at): RoomSend => {
  const room = at % rooms.length;
  const from = room * 2 + (Math.floor(at / rooms.length) % 2);
  const to = person(from ^ 1);
  const device = { accountId: to.accountId, deviceId: to.deviceId };
  const { eventId, envelope } = sealDm(identity, channelIds[room]!, text);
  const packets = [{ ...device, bytes: opaquePacket() }];
  return { room, from, eventId, input: { envelope, packets, dmDevices: [device] } };
});
await serveStage(stage, { tokens: await tokensOf(deps, people), rooms, sends });
