// What is checked of an event before any key is used: that its envelope says what the server says, that it belongs to this
// conversation, and that its sender is known.
import {
  bytesToUuid,
  equalBytes,
  fromBase64Url,
  H,
  idKey,
  parseChainCert,
  parseEnvelopeHeader,
  uuidToBytes,
  type CryptoErrorCode,
  type EnvelopeView,
  type IncomingEvent,
  type WithheldCode,
} from '#crypto/index.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { codeOf } from './engine-core.ts';
import { fadePlain, goneAtOf, isGone, stubChain } from './fading.ts';
import { logOfDevice } from './former-logs.ts';
import type { CryptoApi, DecryptResult, FailedReason, WithheldReason } from './protocol.ts';
import { keys, type CertRecord, type PeerRecord, type PlainRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export type DecryptInput = Parameters<CryptoApi['decrypt']>[0];

/** An event whose envelope agrees with what the server says about it, and whose sender's log is known. */
export interface Candidate {
  readonly event: ChannelEvent;
  readonly view: EnvelopeView;
  readonly incoming: IncomingEvent;
}

const reasons: Partial<Record<CryptoErrorCode, FailedReason>> = {
  malformed: 'malformed',
  unsupported: 'unsupported',
  not_allowed: 'wrong_sender',
  revoked: 'sender_revoked',
  expired: 'expired_chain',
  equivocation: 'equivocation',
  unknown_chain: 'before_device',
};
export const withheldReasons: Record<WithheldCode, WithheldReason> = {
  'not-member': 'not_member',
  'not-shareable': 'not_shareable',
  revoked: 'revoked',
  'too-old': 'too_old',
};

export const failed = (eventId: EventId, reason: FailedReason): DecryptResult => ({
  eventId,
  status: 'failed',
  reason,
});
export const failedBy = (eventId: EventId, code: CryptoErrorCode): DecryptResult =>
  failed(eventId, reasons[code] ?? 'changed_on_the_way');

/** A certificate as the server showed it; null for one that is malformed or of another channel. */
export function readCert(
  text: string,
  channelId: ChannelId,
): { chainId: Uint8Array; record: CertRecord } | null {
  try {
    const bytes = fromBase64Url(text);
    const cert = parseChainCert(bytes);
    if (bytesToUuid(cert.channelId) !== channelId) return null;
    return { chainId: cert.chainId, record: { channelId, bytes, hash: idKey(H(bytes)) } };
  } catch (error) {
    codeOf(error);
    return null;
  }
}

/** Reads the envelope and holds it against the server's own words about the event. */
function readEnvelope(
  event: ChannelEvent,
  input: DecryptInput,
): { envelope: Uint8Array; view: EnvelopeView } | DecryptResult {
  const { eventId } = event;
  const envelope = fromBase64Url(event.envelope ?? '');
  let view: EnvelopeView;
  try {
    view = parseEnvelopeHeader(envelope);
  } catch (error) {
    return failed(eventId, codeOf(error) === 'unsupported' ? 'unsupported' : 'not_encrypted');
  }
  if (view.mode !== (input.members ? 'dm' : 'group')) return failed(eventId, 'not_encrypted');
  const ref = view.ref ? bytesToUuid(view.ref) : null;
  const agrees =
    bytesToUuid(view.channelId) === input.channelId &&
    event.channelId === input.channelId &&
    bytesToUuid(view.eventId) === eventId &&
    view.class === event.class &&
    ref === event.refId &&
    view.epoch === event.epoch;
  if (!agrees) return failed(eventId, 'changed_on_the_way');
  if (input.members && !input.members.includes(event.senderAccountId)) return failed(eventId, 'wrong_sender');
  return { envelope, view };
}

/** An own message that is to go: when, from the moment the server dated it. */
function dated(unit: UnitOfWork, event: ChannelEvent, { plain, now }: Opened): PlainRecord {
  if (!plain.isUndated) return plain;
  const goneAt = goneAtOf(event.createdAt, now);
  const record: PlainRecord = { ...plain, goneAt, isUndated: false };
  unit.put(keys.plain(event.eventId), record);
  fadePlain(unit, event.eventId, goneAt);
  return record;
}

interface Opened {
  readonly plain: PlainRecord;
  readonly envelope: Uint8Array;
  readonly now: number;
}

/** What was opened before, if this is the same event: same bytes, same place, same sender, and its time not over. */
function openedBefore(unit: UnitOfWork, event: ChannelEvent, opened: Opened): DecryptResult {
  const { plain, envelope, now } = opened;
  const { content, senderAccountId, senderDeviceId, missingBefore } = plain;
  const { eventId } = event;
  if (plain.channelId !== event.channelId || !equalBytes(plain.envelopeHash, H(envelope)))
    return failed(eventId, 'changed_on_the_way');
  if (senderAccountId !== event.senderAccountId || senderDeviceId !== event.senderDeviceId)
    return failed(eventId, 'wrong_sender');
  const { goneAt } = dated(unit, event, opened);
  if (goneAt !== undefined && goneAt <= now) {
    unit.remove(keys.plain(eventId));
    return { eventId, status: 'gone' };
  }
  const lasts = goneAt === undefined ? {} : { goneAt };
  return { eventId, status: 'decrypted', content, senderAccountId, senderDeviceId, missingBefore, ...lasts };
}

/** The result where one is known without keys, else what is to be opened. */
export async function prepare(
  unit: UnitOfWork,
  { event, input }: { event: ChannelEvent; input: DecryptInput },
): Promise<Candidate | DecryptResult> {
  const { eventId } = event;
  const { now } = input;
  const plain = await unit.get<PlainRecord>(keys.plain(eventId));
  if (event.envelope === null) {
    if (plain?.channelId === input.channelId) unit.remove(keys.plain(eventId));
    const isOver = await isGone(unit, event, { chainId: stubChain(event), now });
    return { eventId, status: isOver ? 'gone' : 'redacted' };
  }
  const read = readEnvelope(event, input);
  if ('status' in read) return read;
  const { envelope, view } = read;
  if (plain) return openedBefore(unit, event, { plain, envelope, now });
  // Whose word that is, is checked: what claims to be over and is not signed so is opened like any other.
  const chainId = view.ttlSeconds === undefined ? null : (view.chain?.chainId ?? null);
  if (await isGone(unit, event, { chainId, now })) return { eventId, status: 'gone' };
  const peer = await unit.get<PeerRecord>(keys.peer(event.senderAccountId));
  if (!peer) return { eventId, status: 'pending', reason: 'log_missing' };
  if (peer.alarm === 'reset') return { eventId, status: 'pending', reason: 'identity_hold' };
  const deviceId = uuidToBytes(event.senderDeviceId);
  const sender = { aid: (logOfDevice(peer, deviceId) ?? peer.log).aid, deviceId };
  return { event, view, incoming: { envelope, seq: event.seq, createdAt: event.createdAt, sender } };
}
