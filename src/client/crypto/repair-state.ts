// What is known of broken sessions, one record per peer device: what could not be decrypted, when was asked, what the peer
// asked for, and whether a person has to look (protocol 3.6, A49).
import {
  chooseSession,
  deviceAddress,
  equalBytes,
  findDevice,
  fromBase64Url,
  nextResend,
  openResend,
  packetPlace,
  resendReason,
  RESEND_WINDOW_MS,
  sessionSetKey,
  uuidToBytes,
  type CryptoError,
  type SessionSet,
} from '#crypto/index.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';
import type { MailboxPacket } from '#shared/mailbox.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { codeOf, type Own } from './engine-core.ts';
import { HOUR_MS, MAX_MISSING, MAX_TAKEN } from './engine-limits.ts';
import { isLive } from './pairwise-link.ts';
import { keys, type PeerRecord } from './records.ts';
import { newRepair, type RepairRecord } from './repair-record.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** A peer's device as packets are judged by it. */
export interface RepairPeer {
  readonly peer: PeerRecord;
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
}

export async function repairOf(
  unit: UnitOfWork,
  of: RepairPeer,
): Promise<{ key: string; record: RepairRecord }> {
  const { peer, accountId, deviceId } = of;
  const key = keys.repair(deviceAddress(peer.log.aid, uuidToBytes(deviceId)));
  return { key, record: (await unit.get<RepairRecord>(key)) ?? newRepair({ accountId, deviceId }) };
}

export const withinHour = (times: readonly number[], now: number): number[] =>
  times.filter((at) => now - at < HOUR_MS);

/** Whether this packet was in the mailbox before; from now on it was. */
export async function isRepeated(unit: UnitOfWork, { seq }: MailboxPacket): Promise<boolean> {
  const taken = (await unit.get<readonly number[]>(keys.taken)) ?? [];
  const isFull = taken.length === MAX_TAKEN;
  if (taken.includes(seq) || (isFull && seq < taken[0]!)) return true;
  unit.put(keys.taken, [...taken, seq].sort((a, b) => a - b).slice(-MAX_TAKEN));
  return false;
}

/**
 * A packet could not be decrypted: its sender is to be asked, unless it is no certified device (any more), it answered
 * since, or sending again would change nothing. Answers whether something is to be done.
 */
export async function noteFailure(
  unit: UnitOfWork,
  own: Own,
  failure: RepairPeer & { packet: MailboxPacket; code: CryptoError['code'] },
): Promise<boolean> {
  const { peer, deviceId, packet, code } = failure;
  const reason = resendReason(code);
  if (reason === null || deviceId === own.self.deviceId) return false;
  if (peer.alarm !== null || !isLive(peer.log, uuidToBytes(deviceId))) return false;
  const { key, record } = await repairOf(unit, failure);
  if (packet.seq < record.answeredAtSeq) return false;
  const wanted = { reason, place: packetPlace(fromBase64Url(packet.bytes)) };
  unit.put(key, { ...record, wanted } satisfies RepairRecord);
  return true;
}

/** A direct message is here and its key is not: the sender is asked with the next `requestKeys`, once a message. */
export async function noteMissing(unit: UnitOfWork, of: RepairPeer, event: ChannelEvent): Promise<void> {
  const { key, record } = await repairOf(unit, of);
  const { eventId, createdAt: at } = event;
  if (record.missing.some((known) => known.eventId === eventId)) return;
  const missing = [...record.missing, { eventId, at }].slice(-MAX_MISSING);
  unit.put(key, { ...record, missing } satisfies RepairRecord);
}

/**
 * Messages that still have no key become requests: those nobody was asked for, or all when a person asks again. Answers
 * whether there are any.
 */
export async function askForMissing(
  unit: UnitOfWork,
  { now, again }: { now: number; again: boolean },
): Promise<boolean> {
  let isAny = false;
  for (const [key, record] of await unit.list<RepairRecord>(keys.repairs)) {
    const missing: RepairRecord['missing'][number][] = [];
    for (const item of record.missing) {
      const isOpened = (await unit.get(keys.plain(item.eventId))) !== undefined;
      if (!isOpened && now - item.at < RESEND_WINDOW_MS) missing.push(item);
    }
    const isDue = missing.some(({ at }) => again || at > record.missingAskedTo);
    if (missing.length === record.missing.length && !isDue) continue;
    const missingAskedTo = Math.max(record.missingAskedTo, ...missing.map(({ at }) => at));
    const wanted = record.wanted ?? (isDue ? { reason: 'missing' as const, place: null } : null);
    unit.put(key, { ...record, wanted, missing, missingAskedTo } satisfies RepairRecord);
    isAny ||= isDue;
  }
  return isAny;
}

/**
 * The peer answers: nothing of what came before it is asked for any more. False when it was not asked in the last 14 days:
 * nobody else's keys are taken in by the dozen.
 */
export async function noteAnswer(
  unit: UnitOfWork,
  of: RepairPeer,
  { seq, now }: { seq: number; now: number },
): Promise<boolean> {
  const { key, record } = await repairOf(unit, of);
  if (now - record.askedAt >= RESEND_WINDOW_MS) return false;
  const answeredAtSeq = Math.max(record.answeredAtSeq, seq);
  unit.put(key, { ...record, wanted: null, isWedged: false, answeredAtSeq } satisfies RepairRecord);
  return true;
}

/**
 * The peer asks: answered soon, requests until then are one. Past 6 an hour nothing is done any more, and it is said
 * (A49). Answers whether something is to be done.
 */
export async function noteRequest(unit: UnitOfWork, of: RepairPeer, now: number): Promise<boolean> {
  const { key, record } = await repairOf(unit, of);
  if (record.answerAt !== null) return true;
  const answerAt = nextResend(record.answers, now);
  unit.put(key, {
    ...record,
    answerAt,
    isWedged: record.isWedged || answerAt === null,
  } satisfies RepairRecord);
  return true;
}

/** A signed request; one that does not hold changes nothing. Requests that came over a session need no such check. */
export async function takeControl(
  unit: UnitOfWork,
  own: Own,
  control: RepairPeer & { packet: MailboxPacket; now: number },
): Promise<boolean> {
  const { peer, deviceId, packet, now } = control;
  const device = findDevice(peer.log, uuidToBytes(deviceId));
  if (!device || device.revokedAtSeq !== null) return false;
  const { key, record } = await repairOf(unit, control);
  const check = { cert: device.cert, self: own.device, seenAt: record.seenAt, now };
  try {
    const { createdAt } = openResend(fromBase64Url(packet.bytes), check);
    unit.put(key, { ...record, seenAt: createdAt } satisfies RepairRecord);
  } catch (error) {
    codeOf(error);
    return false;
  }
  return noteRequest(unit, control, now);
}

/**
 * Whether a request can go over the session the next packet would go over: it is not the broken one, the peer has it
 * for sure, or it was opened for this very purpose. Otherwise the request is signed instead.
 */
export async function canAskOverSession(
  unit: UnitOfWork,
  peer: PeerRecord,
  { record, now }: { record: RepairRecord; now: number },
): Promise<boolean> {
  const { wanted, asked, device } = record;
  const set = await unit.get<SessionSet>(sessionSetKey(peer.log.aid, uuidToBytes(device.deviceId)));
  const session = set && chooseSession(set, now);
  // One request over a session that did not help: the session may be the trouble.
  if (!session || !wanted || withinHour(asked, now).length > 0) return false;
  if (wanted.reason === 'by-hand') return session.prekey !== null;
  return session.receivedOrder > 0 && !(wanted.place && equalBytes(wanted.place.sid, session.sid));
}
