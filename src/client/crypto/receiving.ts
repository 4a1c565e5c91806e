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
  verifyChainCert,
  type PairwisePayload,
  type PairwiseResult,
  type PrekeyRecord,
  type ReceiverChain,
  type SessionSet,
  type VerifiedChainCert,
} from '#crypto/index.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { MailboxPacket } from '#shared/mailbox.ts';
import { MAX_PARKED, MAX_PARKED_TRIES } from './engine-limits.ts';
import { codeOf, type EngineCore, type Own } from './engine-core.ts';
import type { ReceiveReport } from './protocol.ts';
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
type Outcome =
  | { readonly kind: 'opened'; readonly unlocked: ChannelId | null; readonly requested: ChannelId | null }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'parked'; readonly log: { accountId: AccountId; fromSeq: number } | null };

const dropped: Outcome = { kind: 'dropped' };
const opened = (rest: { unlocked?: ChannelId; requested?: ChannelId } = {}): Outcome => ({
  kind: 'opened',
  unlocked: rest.unlocked ?? null,
  requested: rest.requested ?? null,
});

interface Opening {
  readonly own: Own;
  readonly result: PairwiseResult;
  readonly peerAccountId: AccountId;
  readonly now: number;
}

export class Receiving {
  readonly #core: EngineCore;
  /** Events that wait for a key → their channel; memory only, filled by decryption. */
  readonly #waiting: ReadonlyMap<string, ChannelId>;

  constructor(core: EngineCore, waiting: ReadonlyMap<string, ChannelId>) {
    this.#core = core;
    this.#waiting = waiting;
  }

  /** New packets, after another try of what is parked. One packet is one commit. */
  async receivePackets(input: { packets: readonly MailboxPacket[]; now: number }): Promise<ReceiveReport> {
    const { packets, now } = input;
    const report = { done: [] as number[], logs: new Map<AccountId, number>() };
    const unlocked = new Set<ChannelId>();
    const requested = new Set<ChannelId>();
    const parked = await this.#core.run(async (unit) => [
      ...(await unit.list<ParkedRecord>(keys.parkedAll)).values(),
    ]);
    const fresh = packets.map((packet): ParkedRecord => ({
      packet,
      waitsFor: 'log',
      certHash: null,
      tries: 0,
    }));
    for (const item of [...parked, ...fresh]) {
      const outcome = await this.#take(item, { now, room: parked.length < MAX_PARKED });
      if (outcome.kind === 'opened' && outcome.unlocked) unlocked.add(outcome.unlocked);
      if (outcome.kind === 'opened' && outcome.requested) requested.add(outcome.requested);
      if (outcome.kind === 'parked' && outcome.log)
        report.logs.set(outcome.log.accountId, outcome.log.fromSeq);
      if (fresh.includes(item)) report.done.push(item.packet.seq);
    }
    const needLogs = [...report.logs].map(([accountId, fromSeq]) => ({ accountId, fromSeq }));
    return { done: report.done, needLogs, unlocked: [...unlocked], requested: [...requested] };
  }

  /** Opens what waited for this certificate. */
  async retryFor(certHashes: readonly string[], now: number): Promise<void> {
    const parked = await this.#core.run(async (unit) => [
      ...(await unit.list<ParkedRecord>(keys.parkedAll)).values(),
    ]);
    for (const item of parked) {
      if (item.certHash !== null && certHashes.includes(item.certHash))
        await this.#take(item, { now, room: true });
    }
  }

  #take(item: ParkedRecord, { now, room }: { now: number; room: boolean }): Promise<Outcome> {
    return this.#core.run(async (unit, own) => {
      const key = keys.parked(item.packet.seq);
      const isKnown = (await unit.get<ParkedRecord>(key)) !== undefined;
      const outcome = await this.#open(unit, own, { item, now });
      if ('park' in outcome) {
        const tries = item.tries + (outcome.park.waitsFor === 'log' ? 1 : 0);
        if (tries > MAX_PARKED_TRIES || (!isKnown && !room)) {
          unit.remove(key);
          return dropped;
        }
        unit.put(key, { ...item, ...outcome.park, tries } satisfies ParkedRecord);
        return { kind: 'parked', log: outcome.log };
      }
      if (isKnown) unit.remove(key);
      return outcome;
    });
  }

  async #open(
    unit: UnitOfWork,
    own: Own,
    { item, now }: { item: ParkedRecord; now: number },
  ): Promise<
    | Outcome
    | {
        park: Pick<ParkedRecord, 'waitsFor' | 'certHash'>;
        log: { accountId: AccountId; fromSeq: number } | null;
      }
  > {
    const { packet } = item;
    const accountId = packet.senderAccountId;
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    const deviceId = uuidToBytes(packet.senderDeviceId);
    const needsLog = {
      park: { waitsFor: 'log', certHash: null } as const,
      log: { accountId, fromSeq: peer?.log.headSeq ?? 0 },
    };
    if (!peer || (!findDevice(peer.log, deviceId) && item.tries < MAX_PARKED_TRIES)) return needsLog;
    if (peer.alarm !== null) return { ...needsLog, log: null };
    const setKey = sessionSetKey(peer.log.aid, deviceId);
    const set = (await unit.get<SessionSet>(setKey)) ?? null;
    const prekeys = await unit.get<PrekeyRecord>(keys.prekeys);
    if (!prekeys) return dropped;
    try {
      const result = decryptPairwise(set, {
        packet: fromBase64Url(packet.bytes),
        self: own.local,
        peerLog: peer.log,
        peerDeviceId: deviceId,
        prekeys,
        now,
      });
      const outcome = await this.#apply(unit, { own, result, peerAccountId: accountId, now });
      if ('park' in outcome) return outcome;
      unit.put(setKey, result.record);
      if (result.prekeys !== prekeys) unit.put(keys.prekeys, result.prekeys);
      this.#judgeHeads(unit, peer, { accountId, result });
      return outcome;
    } catch (error) {
      // The sender may have written under a newer log of theirs than ours: look once, then give up.
      const isOldLog = codeOf(error) === 'mismatch' && item.tries === 0;
      return isOldLog ? needsLog : dropped;
    }
  }

  /** A packet that proves two logs exist stops everything with that person. */
  #judgeHeads(
    unit: UnitOfWork,
    peer: PeerRecord,
    { accountId, result }: { accountId: AccountId; result: PairwiseResult },
  ): void {
    if (result.heads.peerLog === 'fork')
      unit.put(keys.peer(accountId), { ...peer, alarm: 'fork' } satisfies PeerRecord);
  }

  async #apply(
    unit: UnitOfWork,
    opening: Opening,
  ): Promise<Outcome | { park: { waitsFor: 'cert'; certHash: string }; log: null }> {
    const payload = decodePairwise(opening.result.packet);
    switch (payload.kind) {
      case 'chain':
        return this.#installOwned(unit, opening, payload);
      case 'forwarded-chain':
        return this.#installForwarded(unit, opening, payload);
      case 'dm-key': {
        const key = acceptDmKey(opening.result.packet);
        unit.put(keys.dmKey(key.eventId), key);
        const channelId = this.#waiting.get(idKey(key.eventId));
        return opened(channelId ? { unlocked: channelId } : {});
      }
      case 'key-request': {
        const { packet } = opening.result;
        const channelId = bytesToUuid(payload.channelId) as ChannelId;
        const { peerAccountId } = opening;
        const record: RequestRecord = { request: payload, peer: packet.peer, peerAccountId };
        unit.put(keys.request(channelId, payload.chainId, packet.peer), record);
        return opened({ requested: channelId });
      }
      case 'withheld': {
        const channelId = bytesToUuid(payload.channelId) as ChannelId;
        const asked = await unit.get<AskedRecord>(keys.asked(channelId, payload.chainId));
        // Only who was asked may refuse: anybody else could make messages look lost.
        const { sender } = opening.result;
        if (asked?.owner.accountId !== opening.peerAccountId) return opened();
        if (asked.owner.deviceId !== bytesToUuid(sender.deviceId)) return opened();
        unit.put(keys.withheld(payload.chainId), payload.code);
        return opened({ unlocked: channelId });
      }
    }
  }

  async #installOwned(
    unit: UnitOfWork,
    { result, now }: Opening,
    payload: Extract<PairwisePayload, { kind: 'chain' }>,
  ): Promise<Outcome | { park: { waitsFor: 'cert'; certHash: string }; log: null }> {
    const certHash = idKey(payload.certHash);
    const known = await unit.get<readonly CertRecord[]>(keys.certs(payload.chainId));
    const record = known?.find((cert) => cert.hash === certHash);
    if (!record) return { park: { waitsFor: 'cert', certHash }, log: null };
    const cert = await verifiedCert(unit, record, {
      aid: result.sender.aid,
      deviceId: result.sender.deviceId,
      devicePublicKey: result.sender.cert.signingPub,
    });
    const existing = await this.#existing(unit, record.channelId, cert);
    const installed = installChain(result.packet, { cert, existing, now });
    storeInstalled(unit, record.channelId, installed);
    return opened({ unlocked: record.channelId });
  }

  async #installForwarded(
    unit: UnitOfWork,
    { own, result, now }: Opening,
    payload: Extract<PairwisePayload, { kind: 'forwarded-chain' }>,
  ): Promise<Outcome> {
    const parsed = parseChainCert(payload.cert);
    const channelId = bytesToUuid(parsed.channelId) as ChannelId;
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
    const context = { cert, existing, now, ownAid: own.device.aid, historyUpTo: channel?.headSeq ?? 0 };
    storeInstalled(unit, channelId, installForwardedChain(result.packet, context));
    return opened({ unlocked: channelId });
  }

  async #existing(unit: UnitOfWork, channelId: ChannelId, cert: VerifiedChainCert): Promise<ReceiverChain[]> {
    return [...(await unit.list<ReceiverChain>(keys.chainsOf(channelId, cert))).values()];
  }
}

/** Checks a certificate for this owner; an epoch beyond what the channel has reached is refused (A63). */
async function verifiedCert(
  unit: UnitOfWork,
  record: CertRecord,
  owner: { aid: Uint8Array; deviceId: Uint8Array; devicePublicKey: Uint8Array },
): Promise<VerifiedChainCert> {
  const channel = await unit.get<ChannelRecord>(keys.channel(record.channelId));
  const maxEpoch = channel?.maxEpoch ?? 0;
  return verifyChainCert(record.bytes, { channelId: uuidToBytes(record.channelId), ...owner, maxEpoch });
}

function storeInstalled(
  unit: UnitOfWork,
  channelId: ChannelId,
  installed: ReturnType<typeof installChain>,
): void {
  for (const chain of [installed.chain, ...installed.archived]) {
    unit.put(keys.chain(channelId, chain.owner, chain.chainId), chain);
  }
  for (const chain of installed.evicted) unit.remove(keys.chain(channelId, chain.owner, chain.chainId));
}
