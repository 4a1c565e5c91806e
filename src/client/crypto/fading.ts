// Keys and messages that last a day (protocol 3.10, P13): what is to go is noted with its time in the unit of work that
// stores it, and goes when its time has come, or at once where that is past. Whether a chain is ephemeral is what its
// sender signed, never what the server says.
import {
  EPHEMERAL_MS,
  equalBytes,
  findDevice,
  fromBase64Url,
  parseChainCert,
  uuidToBytes,
  type ChainCert,
  type ReceiverChain,
  type SenderChain,
} from '#crypto/index.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { codeOf } from './engine-core.ts';
import { logOfDevice } from './former-logs.ts';
import { verifiedCert } from './received.ts';
import {
  keys,
  type CertRecord,
  type FadeRecord,
  type OwnChainRecord,
  type PeerRecord,
  type PlainRecord,
} from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** When what is dated like this goes, ms. A date still to come would keep it for longer than a day from now. */
export const goneAtOf = (dated: number, now: number): number => Math.min(dated, now) + EPHEMERAL_MS;

function note(unit: UnitOfWork, at: number, record: FadeRecord): void {
  unit.put(keys.fade(at, record.key), record);
}

/** A chain somebody gave, with its skipped keys. */
export function fadeChain(unit: UnitOfWork, channelId: ChannelId, chain: ReceiverChain): void {
  if (!chain.ephemeral) return;
  const key = keys.chain(channelId, chain.owner, chain.chainId);
  note(unit, goneAtOf(chain.createdAt, chain.usedAt), { kind: 'record', key });
}

/** An own chain: it may stand among the replaced ones by then. */
export function fadeOwnChain(unit: UnitOfWork, channelId: ChannelId, chain: SenderChain): void {
  if (!chain.ephemeral) return;
  const key = keys.oldChain(channelId, chain.chainId);
  note(unit, chain.createdAt + EPHEMERAL_MS, { kind: 'own', key, channelId, chainId: chain.chainId });
}

/** An opened message. */
export function fadePlain(unit: UnitOfWork, eventId: EventId, goneAt: number): void {
  note(unit, goneAt, { kind: 'plain', key: keys.plain(eventId) });
}

/** A parked packet with a chain of that age in it. */
export function fadeParked(unit: UnitOfWork, seq: number, at: number): void {
  note(unit, at, { kind: 'parked', key: keys.parked(seq), seq });
}

/** What a fading pass came to. */
export interface Faded {
  /** Mailbox seqs of parked packets that are due: they are opened, so that their key is spent, and dropped. */
  readonly parked: readonly number[];
  /** When the next thing goes, ms; null: nothing waits. */
  readonly next: number | null;
}

/** Removes what is due at `now`. */
export async function fadeDue(unit: UnitOfWork, now: number): Promise<Faded> {
  let next: number | null = null;
  const parked: number[] = [];
  for (const [key, record] of await unit.list<FadeRecord>(keys.fades)) {
    const at = keys.fadeTime(key);
    if (at > now) {
      next = Math.min(next ?? at, at);
      continue;
    }
    unit.remove(key);
    const later = await fadeOne(unit, record, now);
    if (later !== null) next = Math.min(next ?? later, later);
    if (record.kind === 'parked') parked.push(record.seq);
  }
  return { parked, next };
}

/** Removes one thing; the time it goes where that turned out to be later. */
async function fadeOne(unit: UnitOfWork, record: FadeRecord, now: number): Promise<number | null> {
  if (record.kind === 'plain') {
    const plain = await unit.get<PlainRecord>(record.key);
    if (plain?.goneAt !== undefined && plain.goneAt > now) {
      note(unit, plain.goneAt, record);
      return plain.goneAt;
    }
  }
  if (record.kind === 'own') {
    const current = keys.ownChain(record.channelId);
    const own = await unit.get<OwnChainRecord>(current);
    if (own && equalBytes(own.chain.chainId, record.chainId)) {
      unit.remove(current);
      unit.remove(keys.handing(record.channelId));
    }
  }
  if (record.kind !== 'parked') unit.remove(record.key);
  return null;
}

/** The certificate of this chain that the event's sender signed and for which `is` holds, if the server showed one. */
export async function signedCert(
  unit: UnitOfWork,
  { event, chainId }: { event: ChannelEvent; chainId: Uint8Array },
  is: (cert: ChainCert) => boolean,
): Promise<ChainCert | null> {
  const peer = await unit.get<PeerRecord>(keys.peer(event.senderAccountId));
  const deviceId = uuidToBytes(event.senderDeviceId);
  const log = peer && logOfDevice(peer, deviceId);
  const device = log && findDevice(log, deviceId);
  if (!device) return null;
  const owner = { aid: log.aid, deviceId, devicePublicKey: device.cert.signingPub };
  const hashes = await unit.get<readonly string[]>(keys.certs(event.channelId, chainId));
  for (const hash of hashes ?? []) {
    const key = keys.cert(hash);
    const record = await unit.get<CertRecord>(key);
    if (!record) continue;
    const cert = parseChainCert(record.bytes);
    if (!is(cert)) continue;
    if (record.isSigned && equalBytes(cert.aid, owner.aid) && equalBytes(cert.deviceId, deviceId))
      return cert;
    try {
      const verified = await verifiedCert(unit, record, owner);
      unit.put(key, { ...record, isSigned: true } satisfies CertRecord);
      return verified;
    } catch (error) {
      codeOf(error); // another's certificate, or one that was changed
    }
  }
  return null;
}

/**
 * Whether this event's time is over: its sender signed that it is kept for a day, and that day has passed since the
 * server stored it. What was not opened is gone as soon as its chain's keys are.
 */
export async function isGone(
  unit: UnitOfWork,
  event: ChannelEvent,
  { chainId, now }: { chainId: Uint8Array | null; now: number },
): Promise<boolean> {
  if (chainId === null) return false;
  const cert = await signedCert(unit, { event, chainId }, ({ ephemeral }) => ephemeral === true);
  if (!cert) return false;
  // A server cannot make a message look older than its chain.
  const from = event.envelope === null ? Math.max(event.createdAt, cert.createdAt) : cert.createdAt;
  return from + EPHEMERAL_MS <= now;
}

export const stubChain = ({ stub }: ChannelEvent): Uint8Array | null =>
  stub?.chainId == null ? null : fromBase64Url(stub.chainId);
