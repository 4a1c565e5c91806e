// The mailbox: opening pairwise packets and committing what they bring (chains, message keys, requests, refusals).
// A packet that cannot be opened yet is parked with its session untouched; a forged one changes nothing.
import {
  bytesToUuid,
  CryptoError,
  decodePairwise,
  decryptPairwise,
  findDevice,
  fromBase64Url,
  installChain,
  installForwardedChain,
  acceptDmKey,
  idKey,
  parseChainCert,
  sessionSetKey,
  uuidToBytes,
  type ChainArchive,
  type PairwisePayload,
  type PairwiseResult,
  type PrekeyRecord,
  type ReceiverChain,
  type SessionSet,
  type VerifiedChainCert,
} from '#crypto/index.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { MailboxPacket } from '#shared/mailbox.ts';
import { queueChain, queueDmKey } from './backup-queue.ts';
import { shownUpTo } from './channel-order.ts';
import { keepDmKey } from './key-archive.ts';
import { MAX_PARKED_TRIES, MAX_REQUESTS } from './engine-limits.ts';
import { codeOf, type EngineCore, type Own } from './engine-core.ts';
import type { IdentityAlarm, ReceiveReport } from './protocol.ts';
import { isWanted } from './shared-history.ts';
import { judgeHeads, makeRoom, raiseFork, storeInstalled, verifiedCert, type WantedLog } from './received.ts';
import {
  keys,
  type AskedRecord,
  type CertRecord,
  type ChannelRecord,
  type ParkedRecord,
  type PeerRecord,
  type RequestRecord,
} from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** What one packet led to. */
interface Outcome {
  readonly unlocked?: ChannelId;
  readonly requested?: ChannelId;
  readonly alarm?: IdentityAlarm;
  readonly logs?: readonly WantedLog[];
  /** Why it has to wait. */
  readonly park?: Pick<ParkedRecord, 'waitsFor' | 'certHash'>;
}

/** Opened without further consequence, or worthless: nothing that could be done about it later. */
const done: Outcome = {};

interface Opening {
  readonly own: Own;
  readonly result: PairwiseResult;
  readonly peerAccountId: AccountId;
  readonly now: number;
}

const archiveOf = (
  cert: VerifiedChainCert,
  key: Pick<ChainArchive, 'startIter' | 'chainKey' | 'historyUpTo'>,
): ChainArchive => {
  const { channelId, aid, deviceId, chainId, hash: certHash } = cert;
  return { channelId, owner: { aid, deviceId }, chainId, certHash, ...key };
};

export class Receiving {
  readonly #core: EngineCore;
  /** Events that wait for a key → their channel; memory only, filled by decryption. */
  readonly #waiting: ReadonlyMap<string, ChannelId>;

  constructor(core: EngineCore, waiting: ReadonlyMap<string, ChannelId>) {
    this.#core = core;
    this.#waiting = waiting;
  }

  /** New packets, after another try of those that wait for a log. One packet is one commit. */
  async receivePackets(input: { packets: readonly MailboxPacket[]; now: number }): Promise<ReceiveReport> {
    const { packets, now } = input;
    const logs = new Map<AccountId, number>();
    const [unlocked, requested] = [new Set<ChannelId>(), new Set<ChannelId>()];
    const alarms: IdentityAlarm[] = [];
    const parked = await this.#ready();
    const fresh = packets.map((packet): ParkedRecord => ({
      packet,
      waitsFor: 'log',
      certHash: null,
      tries: 0,
    }));
    for (const item of [...parked, ...fresh]) {
      const outcome = await this.#take(item, now);
      if (outcome.unlocked) unlocked.add(outcome.unlocked);
      if (outcome.requested) requested.add(outcome.requested);
      if (outcome.alarm) alarms.push(outcome.alarm);
      for (const { accountId, fromSeq } of outcome.logs ?? []) logs.set(accountId, fromSeq);
    }
    return {
      done: packets.map((packet) => packet.seq),
      needLogs: [...logs].map(([accountId, fromSeq]) => ({ accountId, fromSeq })),
      unlocked: [...unlocked],
      requested: [...requested],
      alarms,
    };
  }

  /** Opens what waited for this certificate. */
  async retryFor(certHashes: readonly string[], now: number): Promise<void> {
    for (const item of await this.#parked()) {
      if (item.certHash !== null && certHashes.includes(item.certHash)) await this.#take(item, now);
    }
  }

  /** Parked packets worth another try: not those whose certificate has still not been shown. */
  #ready(): Promise<ParkedRecord[]> {
    return this.#core.run(async (unit) => {
      const ready: ParkedRecord[] = [];
      for (const item of (await unit.list<ParkedRecord>(keys.parkedAll)).values()) {
        const { certHash } = item;
        if (certHash === null || (await unit.get<CertRecord>(keys.cert(certHash)))) ready.push(item);
      }
      return ready;
    });
  }

  #parked(): Promise<ParkedRecord[]> {
    return this.#core.run(async (unit) => [...(await unit.list<ParkedRecord>(keys.parkedAll)).values()]);
  }

  #take(item: ParkedRecord, now: number): Promise<Outcome> {
    return this.#core.run(async (unit, own) => {
      const key = keys.parked(item.packet.seq);
      const outcome = await this.#open(unit, own, { item, now });
      const { park } = outcome;
      const tries = item.tries + (park?.waitsFor === 'log' ? 1 : 0);
      if (park && tries <= MAX_PARKED_TRIES) {
        await makeRoom(unit, item.packet);
        unit.put(key, { ...item, ...park, tries } satisfies ParkedRecord);
        return outcome;
      }
      if ((await unit.get<ParkedRecord>(key)) !== undefined) unit.remove(key);
      return park ? done : outcome;
    });
  }

  async #open(
    unit: UnitOfWork,
    own: Own,
    { item, now }: { item: ParkedRecord; now: number },
  ): Promise<Outcome> {
    const { packet } = item;
    const accountId = packet.senderAccountId;
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    const deviceId = uuidToBytes(packet.senderDeviceId);
    const log = { accountId, fromSeq: peer?.log.headSeq ?? 0 };
    // Nothing a held or blocked person sends counts; if they are accepted, it is opened then.
    if (peer && peer.alarm !== null) return { park: { waitsFor: 'identity', certHash: null } };
    const waitForLog = { park: { waitsFor: 'log', certHash: null }, logs: [log] } as const;
    if (!peer || !findDevice(peer.log, deviceId)) return waitForLog;
    const prekeys = await unit.get<PrekeyRecord>(keys.prekeys);
    if (!prekeys) return done;
    const setKey = sessionSetKey(peer.log.aid, deviceId);
    try {
      const result = decryptPairwise((await unit.get<SessionSet>(setKey)) ?? null, {
        packet: fromBase64Url(packet.bytes),
        self: own.local,
        peerLog: peer.log,
        peerDeviceId: deviceId,
        prekeys,
        now,
      });
      const outcome = await this.#apply(unit, { own, result, peerAccountId: accountId, now });
      // Authenticated, if not of use yet: what it says about the logs counts now.
      const heads = judgeHeads(unit, own, { peer, accountId, result });
      if (outcome.park) return { ...outcome, ...heads };
      unit.put(setKey, result.record);
      if (result.prekeys !== prekeys) unit.put(keys.prekeys, result.prekeys);
      return { ...outcome, ...heads };
    } catch (error) {
      const code = codeOf(error);
      if (code === 'fork') return raiseFork(unit, accountId, peer);
      // A head newer than the log known here, the sender's or the own one: look, then try again.
      const ownLog = { accountId: own.self.accountId, fromSeq: own.log.headSeq };
      const isOldLog = code === 'truncated' || code === 'mismatch';
      return isOldLog ? { ...waitForLog, logs: [log, ownLog] } : done;
    }
  }

  async #apply(unit: UnitOfWork, opening: Opening): Promise<Outcome> {
    const payload = decodePairwise(opening.result.packet);
    switch (payload.kind) {
      case 'chain':
        return this.#installOwned(unit, opening, payload);
      case 'forwarded-chain':
        return this.#installForwarded(unit, opening, payload);
      case 'dm-key': {
        const key = acceptDmKey(opening.result.packet);
        await keepDmKey(unit, key);
        queueDmKey(unit, key);
        const channelId = this.#waiting.get(idKey(key.eventId));
        return channelId ? { unlocked: channelId } : done;
      }
      case 'key-request': {
        const { packet } = opening.result;
        const channelId = bytesToUuid(payload.channelId) as ChannelId;
        const { peerAccountId } = opening;
        const record: RequestRecord = { request: payload, peer: packet.peer, peerAccountId };
        if ((await unit.list(keys.requestsAll)).size >= MAX_REQUESTS) return done;
        unit.put(keys.request(channelId, payload.chainId, packet.peer), record);
        return { requested: channelId };
      }
      case 'withheld': {
        const channelId = bytesToUuid(payload.channelId) as ChannelId;
        const asked = await unit.get<AskedRecord>(keys.asked(channelId, payload.chainId));
        // Only who was asked may refuse: anybody else could make messages look lost.
        const { sender } = opening.result;
        if (asked?.owner.accountId !== opening.peerAccountId) return done;
        if (asked.owner.deviceId !== bytesToUuid(sender.deviceId)) return done;
        // Others may still have what its sender has lost.
        if (asked.isShared && payload.code === 'too-old') return done;
        unit.put(keys.withheld(channelId, payload.chainId), payload.code);
        unit.remove(keys.asked(channelId, payload.chainId));
        return { unlocked: channelId };
      }
    }
  }

  async #installOwned(
    unit: UnitOfWork,
    { result, now }: Opening,
    payload: Extract<PairwisePayload, { kind: 'chain' }>,
  ): Promise<Outcome> {
    const certHash = idKey(payload.certHash);
    const record = await unit.get<CertRecord>(keys.cert(certHash));
    if (!record) return { park: { waitsFor: 'cert', certHash } };
    const cert = await verifiedCert(unit, record, {
      aid: result.sender.aid,
      deviceId: result.sender.deviceId,
      devicePublicKey: result.sender.cert.signingPub,
    });
    const existing = await this.#existing(unit, record.channelId, cert);
    const installed = installChain(result.packet, { cert, existing, now });
    await storeInstalled(unit, record.channelId, installed);
    const { startIter, chainKey } = payload;
    await queueChain(unit, archiveOf(cert, { startIter, chainKey, historyUpTo: null }));
    return { unlocked: record.channelId };
  }

  async #installForwarded(
    unit: UnitOfWork,
    { own, result, peerAccountId, now }: Opening,
    payload: Extract<PairwisePayload, { kind: 'forwarded-chain' }>,
  ): Promise<Outcome> {
    const parsed = parseChainCert(payload.cert);
    const channelId = bytesToUuid(parsed.channelId) as ChannelId;
    const isOwn = peerAccountId === own.self.accountId;
    if (!isOwn && !(await isWanted(unit, { channelId, chainId: parsed.chainId, peerAccountId }))) return done;
    const ownerId = await unit.get<AccountId>(keys.aid(parsed.aid));
    const owner = ownerId && (await unit.get<PeerRecord>(keys.peer(ownerId)));
    const device = owner && findDevice(owner.log, parsed.deviceId);
    if (!owner || !device) throw new CryptoError('unknown_device', 'chain of an unknown device');
    const { aid } = owner.log;
    const record: CertRecord = { channelId, bytes: payload.cert, hash: '' };
    const cert = await verifiedCert(unit, record, {
      aid,
      deviceId: parsed.deviceId,
      devicePublicKey: device.cert.signingPub,
    });
    const existing = await this.#existing(unit, channelId, cert);
    const channel = await unit.get<ChannelRecord>(keys.channel(channelId));
    const context = { cert, existing, now, ownAid: own.device.aid, historyUpTo: shownUpTo(channel) };
    const installed = installForwardedChain(result.packet, context);
    await storeInstalled(unit, channelId, installed);
    const { startIter, chainKey } = payload;
    // What another member handed on is kept for good when it opened something, and not before.
    if (isOwn) await queueChain(unit, archiveOf(cert, { startIter, chainKey, historyUpTo: null }));
    return { unlocked: channelId };
  }

  async #existing(unit: UnitOfWork, channelId: ChannelId, cert: VerifiedChainCert): Promise<ReceiverChain[]> {
    return [...(await unit.list<ReceiverChain>(keys.chainsOf(channelId, cert))).values()];
  }
}
