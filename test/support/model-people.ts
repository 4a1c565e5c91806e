// Random things people do in one community, for the law "old state + events = fresh state". What the server refuses
// in words counts as done; anything else is a failure.
import { AppError } from '#shared/errors.ts';
import type { ChannelId, CommunityId, EventId, GroupId, RoleId } from '#shared/ids.ts';
import { permission } from '#shared/permissions.ts';
import { TRPCError } from '@trpc/server';
import { Pen, type Sealed } from './messages.ts';
import type { Person } from './people.ts';

const { view, send, pin, manageMessages } = permission;

export interface Scene {
  readonly random: () => number;
  readonly people: readonly Person[];
  readonly communityId: CommunityId;
  readonly inviteCode: string;
  readonly groups: GroupId[];
  readonly channels: ChannelId[];
  readonly dms: ChannelId[];
  readonly roles: RoleId[];
  readonly messages: { channelId: ChannelId; eventId: EventId; by: Person }[];
  readonly pens: Map<string, Pen>;
}

type Deed = (scene: Scene, by: Person) => Promise<unknown>;

export const pick = <T>(random: () => number, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)] as T;

const name = ({ random }: Scene): string => `n${Math.floor(random() * 1e9)}`;
const chance = ({ random }: Scene, share: number): boolean => random() < share;

type Seal = (pen: Pen) => Sealed;

async function sendAs(scene: Scene, by: Person, { channelId, seal }: { channelId: ChannelId; seal: Seal }) {
  const key = `${by.accountId} ${channelId}`;
  const { epoch } = await by.api.channels.readers({ channelId });
  const pen = scene.pens.get(key) ?? new Pen(by, channelId, epoch);
  if (scene.pens.has(key) && chance(scene, 0.5)) pen.rotate(epoch);
  scene.pens.set(key, pen);
  return by.api.messages.send(seal(pen));
}

const write: Deed = async (scene, by) => {
  const channelId = pick(scene.random, scene.channels);
  const { eventId } = await sendAs(scene, by, { channelId, seal: (pen) => pen.text(name(scene)) });
  scene.messages.push({ channelId, eventId, by });
};
const about =
  (seal: (pen: Pen, target: EventId) => Sealed): Deed =>
  async (scene, by) => {
    if (scene.messages.length === 0) return;
    const { channelId, eventId } = pick(scene.random, scene.messages.slice(-8));
    await sendAs(scene, by, { channelId, seal: (pen) => seal(pen, eventId) });
  };

const override: Deed = async (scene, by) => {
  const { communityId } = scene;
  const bits = pick(scene.random, [view, send, view | send, pin, 0]);
  const isDenied = chance(scene, 0.4);
  const whom = chance(scene, 0.5)
    ? { roleId: pick(scene.random, scene.roles) }
    : { accountId: pick(scene.random, scene.people).accountId };
  const where = chance(scene, 0.5)
    ? { groupId: pick(scene.random, scene.groups) }
    : { channelId: pick(scene.random, scene.channels) };
  const value = isDenied ? { allow: 0, deny: bits } : { allow: bits, deny: 0 };
  await by.api.roles.setOverride({ communityId, ...whom, ...where, ...value });
};

const structural: readonly Deed[] = [
  async (scene, by) => {
    const channel = {
      communityId: scene.communityId,
      groupId: pick(scene.random, scene.groups),
      name: name(scene),
    };
    scene.channels.push((await by.api.channels.create(channel)).channelId);
  },
  (scene, by) =>
    by.api.channels.update({
      channelId: pick(scene.random, scene.channels),
      topic: name(scene),
      ...(chance(scene, 0.3) ? { isArchived: chance(scene, 0.5) } : {}),
    }),
  async (scene, by) => {
    // The first ones stay, so that there is always somewhere to talk.
    if (scene.channels.length < 4) return;
    const channelId = pick(scene.random, scene.channels.slice(2));
    await by.api.channels.delete({ channelId });
    scene.channels.splice(scene.channels.indexOf(channelId), 1);
  },
  async (scene, by) => {
    const { communityId } = scene;
    scene.groups.push((await by.api.groups.create({ communityId, name: name(scene) })).groupId);
  },
  (scene, by) => by.api.groups.update({ groupId: pick(scene.random, scene.groups), name: name(scene) }),
  (scene, by) => by.api.communities.update({ communityId: scene.communityId, description: name(scene) }),
  async (scene, by) => {
    const bits = pick(scene.random, [view, view | send, pin, manageMessages]);
    const { roleId } = await by.api.roles.create({ communityId: scene.communityId, name: name(scene), bits });
    scene.roles.push(roleId);
  },
  (scene, by) => by.api.roles.update({ roleId: pick(scene.random, scene.roles), name: name(scene) }),
  (scene, by) => {
    const given = {
      roleId: pick(scene.random, scene.roles),
      accountId: pick(scene.random, scene.people).accountId,
    };
    return chance(scene, 0.6) ? by.api.roles.assign(given) : by.api.roles.unassign(given);
  },
  async (scene, by) => {
    if (scene.roles.length < 4) return;
    const roleId = pick(scene.random, scene.roles.slice(3));
    await by.api.roles.delete({ roleId });
    scene.roles.splice(scene.roles.indexOf(roleId), 1);
  },
  override,
  override,
];

const social: readonly Deed[] = [
  (scene, by) => by.api.invites.accept({ code: scene.inviteCode }),
  (scene, by) => by.api.communities.leave({ communityId: scene.communityId }),
  (scene, by) => {
    const { accountId } = pick(scene.random, scene.people);
    return by.api.communities.kick({ communityId: scene.communityId, accountId });
  },
  async (scene, by) => {
    const { channel } = await by.api.dms.open({ accountId: pick(scene.random, scene.people).accountId });
    scene.dms.push(channel.channelId);
  },
  async (scene, by) => {
    const channelId = pick(scene.random, scene.channels);
    await by.api.cursors.move({ channelId, seq: Math.floor(scene.random() * 20) });
  },
];

const log: readonly Deed[] = [
  write,
  write,
  write,
  about((pen, target) => pen.edit(target)),
  about((pen, target) => pen.react(target)),
  about((pen, target) => pen.redact(target)),
];

const isRefusal = (cause: unknown): boolean =>
  cause instanceof TRPCError && cause.cause instanceof AppError && cause.cause.payload.code !== 'internal';

/** Somebody does something; answers what became of it. */
export async function someDeed(scene: Scene): Promise<'done' | 'refused'> {
  const { random, people } = scene;
  const deeds = pick(random, [structural, structural, social, log, log]);
  // The first two may do most things.
  const by = random() < 0.6 ? pick(random, people.slice(0, 2)) : pick(random, people);
  try {
    await pick(random, deeds)(scene, by);
    return 'done';
  } catch (cause) {
    if (isRefusal(cause)) return 'refused';
    throw cause;
  }
}
