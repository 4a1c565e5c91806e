// Ids, shortcuts and hostile moves for tests of the engine over the in-memory relay.
import {
  bytesToUuid,
  createAddDevice,
  createGenesis,
  createRotateRoot,
  ed25519KeyPair,
  extendAccountLog,
  generateDevice,
  openAccountLog,
  systemRng,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import type { ConversationRef, DecryptResult } from '#client/crypto/protocol.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { Exchange, type Person } from './exchange.ts';

export const channel = '11111111-1111-4111-8111-111111111111' as ChannelId;
export const otherChannel = '33333333-3333-4333-8333-333333333333' as ChannelId;
export const dm = '22222222-2222-4222-8222-222222222222' as ChannelId;

export interface World {
  readonly server: Exchange;
  readonly ada: Person;
  readonly ben: Person;
  readonly talk: ConversationRef;
  readonly direct: ConversationRef;
}

export async function makeWorld(): Promise<World> {
  const server = new Exchange();
  const [ada, ben] = [await server.join('ada'), await server.join('ben')];
  const talk = server.conversation('text', channel, [ada, ben]);
  const direct = server.conversation('dm', dm, [ada, ben]);
  return { server, ada, ben, talk, direct };
}

/** A fresh genesis and device under somebody's account id: what a server shows instead of their log. */
export function replacedLog(accountId: AccountId, now: number): string[] {
  const root = ed25519KeyPair(systemRng);
  const genesis = createGenesis({ accountId: uuidToBytes(accountId), root, createdAt: now }, systemRng);
  const log = openAccountLog([genesis]);
  const wanted = { aid: log.aid, deviceId: systemRng.bytes(16), kind: 'full' as const, createdAt: now };
  const { cert } = generateDevice(wanted, systemRng);
  const added = createAddDevice(log, cert, { kind: 'root', secretKey: root.secretKey });
  return [genesis, added].map(toBase64Url);
}

/** An account whose root hands over to another: its log before, the rotation, a device by either root after it. */
export function rotatingLog(now: number) {
  const [root, next] = [ed25519KeyPair(systemRng), ed25519KeyPair(systemRng)];
  const accountId = systemRng.bytes(16);
  const genesis = createGenesis({ accountId, root, createdAt: now }, systemRng);
  const start = openAccountLog([genesis]);
  const certOf = () =>
    generateDevice({ aid: start.aid, deviceId: systemRng.bytes(16), kind: 'full', createdAt: now }, systemRng)
      .cert;
  const byOld = { kind: 'root', secretKey: root.secretKey } as const;
  const first = createAddDevice(start, certOf(), byOld);
  const log = extendAccountLog(start, [first]);
  const rotate = createRotateRoot(log, next, root.secretKey);
  const rotated = extendAccountLog(log, [rotate]);
  const addByNew = createAddDevice(rotated, certOf(), { kind: 'root', secretKey: next.secretKey });
  const after = extendAccountLog(rotated, [addByNew]);
  // By the root that handed over, as if it never had.
  const { laterRoots: _forgotten, ...asBefore } = after;
  const addByThief = createAddDevice(asBefore, certOf(), byOld);
  return {
    accountId: bytesToUuid(accountId) as AccountId,
    entries: [genesis, first].map(toBase64Url),
    rotate: toBase64Url(rotate),
    addByNew: toBase64Url(addByNew),
    addByThief: toBase64Url(addByThief),
  };
}

/** Lets a person open exactly these events, with every certificate the relay has. */
export async function openEvents(
  world: World,
  person: Person,
  events: readonly ChannelEvent[],
): Promise<readonly DecryptResult[]> {
  const { server, talk } = world;
  const { channelId, epoch } = { channelId: events[0]?.channelId ?? talk.channelId, epoch: talk.epoch };
  return person.engine.decrypt({
    channelId,
    kind: 'text',
    members: null,
    epoch: Math.max(epoch, ...events.map((event) => event.epoch)),
    events,
    chainCerts: Object.values(server.certs.get(channelId) ?? {}),
    now: server.now,
  });
}

export const stateOf = (result: DecryptResult | undefined): string =>
  result === undefined ? 'absent' : 'reason' in result ? `${result.status} ${result.reason}` : result.status;

export const newUuid = (): string => bytesToUuid(systemRng.bytes(16));
