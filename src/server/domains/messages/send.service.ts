// Sending: from the envelope on the wire to the acknowledged event. The early checks here give typed refusals;
// the statement behind the queue is the authority.
import { createHash } from 'node:crypto';
import { parseEnvelopeHeader, parseChainCert } from '#crypto/verify.ts';
import { requireAction } from '../../access.ts';
import type { DeviceActor, Deps } from '../../deps.ts';
import { AppError, forbidden, notFound } from '#shared/errors.ts';
import type { Audience } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, DeviceId, DeviceRef, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { eventClasses, type EventClass, type SendAck } from '#shared/messages.ts';
import { permission, type Action } from '#shared/permissions.ts';
import { fromBase64Url, toBase64Url, toChannelEvent, type EventRow } from './event-rows.ts';
import { mailboxFill, readerDevices } from './messages.queries.ts';
import { requireSendRoom } from './send-room.ts';
import type { SendRow, SendVerdict } from './send-statement.ts';

export interface SendInput {
  readonly envelope: string;
  readonly packets: readonly OutgoingPacket[];
  readonly chainCert?: string | undefined;
  readonly notify?: { readonly accountIds: readonly AccountId[] } | undefined;
  readonly dmDevices?: readonly DeviceRef[] | undefined;
}

const actionOf: Record<EventClass, Action> = {
  message: 'message.send',
  edit: 'message.edit',
  reaction: 'message.react',
  redact: 'message.redact',
  pin: 'message.pin',
  unpin: 'message.pin',
};

type Header = ReturnType<typeof parseEnvelopeHeader>;
const uuid = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Messages are kept as long as their channel, or for a day where their sender's chain says so (protocol P13). */
const isLifetime = ({ ttlSeconds, mode }: Header): boolean =>
  ttlSeconds === undefined || (ttlSeconds * 1000 === limits.ephemeralMs && mode === 'group');

/** Strictly decoded envelope of a kind this server accepts; anything else is `bad_proof`. */
function readEnvelope(bytes: Uint8Array): Header & { readonly class: EventClass } {
  const refuse = (): AppError => new AppError({ code: 'bad_proof', what: 'envelope' });
  let header: Header;
  try {
    header = parseEnvelopeHeader(bytes);
  } catch {
    throw refuse();
  }
  const known = eventClasses.find((name) => name === header.class);
  const isForLater = header.threadRoot !== undefined || header.blobIds.length > 0 || !isLifetime(header);
  if (!known || isForLater || (header.mode !== 'dm' && header.mode !== 'group')) throw refuse();
  return { ...header, class: known };
}

/** The certificate must be of this channel, this sender and this chain, or its chain id could be squatted. */
function readCert(text: string | undefined, header: Header, actor: DeviceActor): Uint8Array | null {
  if (text === undefined) return null;
  const bytes = fromBase64Url(text);
  try {
    const cert = parseChainCert(bytes);
    const isOurs =
      uuid(cert.deviceId) === actor.deviceId &&
      uuid(cert.channelId) === uuid(header.channelId) &&
      header.chain !== undefined &&
      Buffer.from(cert.chainId).equals(header.chain.chainId);
    if (isOurs) return bytes;
  } catch {
    // fall through to the one refusal
  }
  throw new AppError({ code: 'bad_proof', what: 'chainCert' });
}

/** Refuses packets to mailboxes that are full (protocol P12); devices that are gone are answered, not refused. */
async function requireRoom(
  deps: Deps,
  actor: DeviceActor,
  packets: readonly OutgoingPacket[],
): Promise<void> {
  if (packets.length === 0) return;
  const deviceIds = packets.map((p) => p.deviceId);
  const fill = await mailboxFill(deps.db, { deviceIds, senderDeviceId: actor.deviceId });
  const full = fill.filter(isFull).map((t) => t.deviceId as DeviceId);
  if (full.length > 0) throw new AppError({ code: 'mailbox_full', devices: full });
}

const isFull = (t: { packets: number; bytes: number; fromSender: number }): boolean =>
  t.fromSender >= limits.mailboxPerSender ||
  t.packets >= limits.mailboxPackets ||
  t.bytes + limits.packetBytes > limits.mailboxBytes;

/**
 * A 1:1 message must carry a packet for every live device of both accounts but the sending one. Devices whose
 * mailbox is full may be left out: they have not been seen for long. Returns the devicesVersion this held at.
 */
async function requireDmDevices(
  deps: Deps,
  actor: DeviceActor,
  at: { channelId: string; given: readonly DeviceRef[] },
) {
  const live = await readerDevices(deps.db, {
    channelId: at.channelId,
    now: new Date(deps.clock.now()),
    settledBefore: new Date(deps.clock.now() - limits.newDeviceMs),
  });
  const others = live.filter((d) => d.deviceId !== actor.deviceId);
  const given = new Set<string>(at.given.map((d) => d.deviceId));
  const gone = at.given.filter(
    (d) => !others.some((o) => o.deviceId === d.deviceId && o.accountId === d.accountId),
  );
  const left = others.filter((d) => d.isDue && !given.has(d.deviceId));
  const deviceIds = left.map((d) => d.deviceId);
  const fill =
    left.length === 0 ? [] : await mailboxFill(deps.db, { deviceIds, senderDeviceId: actor.deviceId });
  const full = new Set(fill.filter(isFull).map((t) => t.deviceId));
  const missing = left
    .filter((d) => !full.has(d.deviceId))
    .map((d) => ({ accountId: d.accountId as AccountId, deviceId: d.deviceId as DeviceId }));
  if (missing.length > 0 || gone.length > 0) throw new AppError({ code: 'stale_devices', missing, gone });
  return live[0]?.devicesVersion ?? 0;
}

/** Where, by whom and how an event is sent; decoded once, whatever its permission takes. */
interface Sending {
  readonly input: SendInput;
  readonly envelope: Uint8Array;
  readonly header: ReturnType<typeof readEnvelope>;
  readonly channelId: ChannelId;
  readonly refId: EventId | null;
}

type Permission = Pick<SendRow, 'isModerator' | 'allowedAt' | 'devicesVersion'>;

/** Loads and judges the facts of this send: the early refusal, typed for the client. */
async function permit(deps: Deps, actor: DeviceActor, sending: Sending): Promise<Permission> {
  const { header, channelId, refId } = sending;
  const action = actionOf[header.class];
  const messageEventId = header.class === 'message' ? undefined : (refId ?? undefined);
  const facts = await requireAction(deps.db, actor, action, { channelId, messageEventId });
  const isDm = facts.channel?.kind === 'dm';
  if (isDm !== (header.mode === 'dm')) throw new AppError({ code: 'bad_proof', what: 'envelope' });
  const isModerator = ((facts.channel?.bits ?? 0) & permission.manageMessages) !== 0;
  const key = { action, channelId, accountId: actor.accountId };
  const { communityVersion } = facts;
  if (communityVersion !== undefined && communityVersion !== null)
    deps.sends.grants.remember(key, { version: communityVersion, isModerator });
  const given = sending.input.dmDevices ?? [];
  const devicesVersion = isDm ? await requireDmDevices(deps, actor, { channelId, given }) : null;
  return { isModerator, devicesVersion };
}

/** Permission remembered from an earlier send of this account in this channel, if any. */
function recall(deps: Deps, actor: DeviceActor, { header, channelId }: Sending): Permission | null {
  if (header.mode === 'dm') return null;
  const key = { action: actionOf[header.class], channelId, accountId: actor.accountId };
  const grant = deps.sends.grants.find(key);
  return grant && { isModerator: grant.isModerator, allowedAt: grant.version, devicesVersion: null };
}

function rowOf(actor: DeviceActor, sending: Sending): Omit<SendRow, keyof Permission> {
  const { input, envelope, header } = sending;
  return {
    channelId: sending.channelId,
    eventId: uuid(header.eventId),
    class: header.class,
    accountId: actor.accountId,
    deviceId: actor.deviceId,
    refId: sending.refId,
    epoch: header.epoch,
    envelope,
    envelopeHash: createHash('sha256').update(envelope).digest(),
    chainId: header.chain?.chainId ?? null,
    iter: header.chain?.iter ?? null,
    linkHash: header.chain?.link ?? null,
    commitment: header.commit,
    ttlSeconds: header.ttlSeconds ?? null,
    chainCert: readCert(input.chainCert, header, actor),
    mentions: [...new Set(input.notify?.accountIds ?? [])],
    packets: input.packets.map((p) => ({ ...p, bytes: fromBase64Url(p.bytes) })),
  };
}

/**
 * Stores one event and its packets, exactly once per eventId, and tells everybody who may hear it.
 * Acknowledged means committed. Throws the typed refusals of product.md §4; a refused event was never stored.
 */
export async function sendMessage(deps: Deps, actor: DeviceActor, input: SendInput): Promise<SendAck> {
  const envelope = fromBase64Url(input.envelope);
  const header = readEnvelope(envelope);
  const channelId = uuid(header.channelId) as ChannelId;
  const refId = header.ref ? (uuid(header.ref) as EventId) : null;
  if (deps.disk.isLow)
    await requireSendRoom(deps, { class: header.class, channelId, eventId: uuid(header.eventId) });
  const sending: Sending = { input, envelope, header, channelId, refId };
  const remembered = recall(deps, actor, sending);
  const permitted = remembered ?? (await permit(deps, actor, sending));
  await requireRoom(deps, actor, input.packets);
  const content = rowOf(actor, sending);
  let row: SendRow = { ...content, ...permitted };
  let verdict = await deps.sends.push(row);
  if (verdict.verdict === 'stale_grant') {
    row = { ...content, ...(await permit(deps, actor, sending)) };
    verdict = await deps.sends.push(row);
  }
  return settleSend(deps, row, verdict);
}

/** Turns the verdict into an acknowledgement or its typed refusal. Only what was stored now is announced. */
function settleSend(deps: Deps, row: SendRow, verdict: SendVerdict): SendAck {
  const { seq, createdAt } = verdict;
  if ((verdict.verdict !== 'stored' && verdict.verdict !== 'repeat') || seq === null || createdAt === null) {
    throw refusalOf(verdict);
  }
  const stored: EventRow = {
    ...row,
    seq,
    ordinal: verdict.ordinal,
    senderAccountId: row.accountId,
    senderDeviceId: row.deviceId,
    createdAt,
  };
  const event = toChannelEvent(stored, deps.secrets.frankingKey);
  if (verdict.verdict === 'stored') announce(deps, row, { verdict, event });
  return {
    eventId: event.eventId,
    seq,
    ordinal: verdict.ordinal,
    createdAt: event.createdAt,
    frankTag: event.frankTag ?? '',
    devicesVersion: verdict.devicesVersion ?? 0,
  };
}

function announce(
  deps: Deps,
  row: SendRow,
  { verdict, event }: { verdict: SendVerdict; event: ReturnType<typeof toChannelEvent> },
): void {
  for (const { packet, seq } of verdict.posted) {
    const posted = row.packets[packet];
    if (!posted) continue;
    deps.live.publish(
      { to: 'device', deviceId: posted.deviceId as DeviceId },
      {
        type: 'mailbox.received',
        packet: {
          seq,
          senderAccountId: row.accountId as AccountId,
          senderDeviceId: row.deviceId as DeviceId,
          bytes: toBase64Url(posted.bytes),
          createdAt: event.createdAt,
        },
      },
    );
  }
  const audience: Audience & { to: 'channel' } = {
    to: 'channel',
    channelId: event.channelId,
    communityId: verdict.audienceCommunityId as CommunityId | null,
  };
  deps.live.publishAppended(audience, {
    type: 'event.appended',
    event,
    chainCert: row.chainCert && toBase64Url(row.chainCert),
    mentions: row.mentions as readonly AccountId[],
  });
}

function refusalOf(verdict: SendVerdict): Error {
  switch (verdict.verdict) {
    case 'stale_epoch':
      return new AppError({ code: 'stale_epoch', epoch: verdict.epoch ?? 0 });
    case 'stale_devices':
      // The set changed between our check and the commit: the client reads it again.
      return new AppError({ code: 'stale_devices', missing: [], gone: [] });
    case 'slow_mode':
      return new AppError({ code: 'slow_mode', retryAfterMs: verdict.waitMs });
    case 'conflict':
      return new AppError({ code: 'conflict', what: 'eventId' });
    case 'archived':
      return forbidden('archived');
    case 'not_author':
      return forbidden('not_author');
    case 'not_found':
      return notFound();
    default:
      return new Error(`send verdict ${verdict.verdict}`);
  }
}
