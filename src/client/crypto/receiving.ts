// The mailbox: opening pairwise packets and committing what they bring (chains, message keys, requests, refusals).
// A packet that cannot be opened yet is parked with its session untouched; a forged one changes nothing.
import {
  acceptDmKey,
  acceptDmKeys,
  bytesToUuid,
  decodePairwise,
  decryptPairwise,
  findDevice,
  fromBase64Url,
  PACKET_CONTROL,
  sessionSetKey,
  uuidToBytes,
  type CryptoError,
  type PrekeyRecord,
  type SessionSet,
} from '#crypto/index.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { MailboxPacket } from '#shared/mailbox.ts';
import { MAX_PARKED_TRIES, MAX_REQUESTS } from './engine-limits.ts';
import { takeBackupKey } from './backup-keys.ts';
import { codeOf, deviceIdOf, type EngineCore, type Own } from './engine-core.ts';
import { installForwarded, installOwned, keepMessageKeys, type Opening } from './installing.ts';
import type { IdentityAlarm, ReceiveReport } from './protocol.ts';
import { judgeHeads, makeRoom, raiseFork, type Outcome } from './received.ts';
import {
  isRepeated,
  noteAnswer,
  noteFailure,
  noteRequest,
  takeControl,
  type RepairPeer,
} from './repair-state.ts';
import {
  keys,
  type AskedRecord,
  type CertRecord,
  type ParkedRecord,
  type PeerRecord,
  type RequestRecord,
} from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Opened without further consequence, or worthless: nothing that could be done about it later. */
const done: Outcome = {};

const senderOf = ({ peer, peerAccountId, result }: Opening): RepairPeer => ({
  peer,
  accountId: peerAccountId,
  deviceId: deviceIdOf(result.sender.deviceId),
});

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
    let repair = false;
    const parked = await this.#ready();
    const fresh = packets.map((packet): ParkedRecord => ({
      packet,
      waitsFor: 'log',
      certHash: null,
      tries: 0,
    }));
    for (const item of [...parked, ...fresh]) {
      const outcome = await this.#take(item, now);
      for (const channelId of outcome.unlocked ?? []) unlocked.add(channelId);
      repair ||= outcome.repair === true;
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
      repair,
    };
  }

  /** Opens what waited for this certificate. */
  async retryFor(certHashes: readonly string[], now: number): Promise<void> {
    for (const item of await this.#parked()) {
      if (item.certHash !== null && certHashes.includes(item.certHash)) await this.#take(item, now);
    }
  }

  /** Packets whose chain is over: opened once more, so that the session spends their key, and dropped. */
  async dropParked(seqs: readonly number[], now: number): Promise<void> {
    const parked = await this.#parked();
    for (const item of parked.filter(({ packet }) => seqs.includes(packet.seq))) await this.#take(item, now);
    await this.#core.run(async (unit) => {
      for (const seq of seqs) unit.remove(keys.parked(seq));
    });
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
      const wasParked = (await unit.get<ParkedRecord>(key)) !== undefined;
      const isRepeat = !wasParked && (await isRepeated(unit, item.packet));
      const outcome = await this.#open(unit, own, { item, wasParked, now });
      const { park, failure } = outcome;
      const tries = item.tries + (park?.waitsFor === 'log' ? 1 : 0);
      if (park && tries <= MAX_PARKED_TRIES) {
        await makeRoom(unit, item.packet);
        unit.put(key, { ...item, ...park, tries } satisfies ParkedRecord);
        return outcome;
      }
      if (wasParked) unit.remove(key);
      if (failure !== undefined && !isRepeat) return this.#askAgain(unit, own, { ...item, code: failure });
      return park ? done : outcome;
    });
  }

  /** Nothing else is left to try with this packet. */
  async #askAgain(
    unit: UnitOfWork,
    own: Own,
    { packet, code }: { packet: MailboxPacket; code: CryptoError['code'] },
  ): Promise<Outcome> {
    const { senderAccountId: accountId, senderDeviceId: deviceId } = packet;
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    if (!peer) return done;
    return { repair: await noteFailure(unit, own, { peer, accountId, deviceId, packet, code }) };
  }

  async #open(
    unit: UnitOfWork,
    own: Own,
    { item, wasParked, now }: { item: ParkedRecord; wasParked: boolean; now: number },
  ): Promise<Outcome> {
    const { packet } = item;
    const { senderAccountId: accountId, senderDeviceId } = packet;
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    const deviceId = uuidToBytes(senderDeviceId);
    const log = { accountId, fromSeq: peer?.log.headSeq ?? 0 };
    const waitForLog = { park: { waitsFor: 'log', certHash: null }, logs: [log] } as const;
    const device = peer && findDevice(peer.log, deviceId);
    // What a removed device sends counts where it was here before its removal was known (decision 0033), and only then.
    if (device && device.revokedAtSeq !== null && !wasParked) return { failure: 'revoked' };
    // Nothing a held or blocked person sends counts; if they are accepted, it is opened then.
    if (peer && peer.alarm !== null) return { park: { waitsFor: 'identity', certHash: null } };
    if (!peer || !device) return waitForLog;
    const prekeys = await unit.get<PrekeyRecord>(keys.prekeys);
    if (!prekeys) return done;
    const bytes = fromBase64Url(packet.bytes);
    if (bytes[0] === PACKET_CONTROL)
      return {
        repair: await takeControl(unit, own, { peer, accountId, deviceId: senderDeviceId, packet, now }),
      };
    let isDecrypted = false;
    try {
      const setKey = sessionSetKey(peer.log.aid, deviceId);
      const result = decryptPairwise((await unit.get<SessionSet>(setKey)) ?? null, {
        packet: bytes,
        self: own.local,
        peerLog: peer.log,
        peerDeviceId: deviceId,
        prekeys,
        now,
        acceptRevoked: wasParked,
      });
      isDecrypted = true;
      const opening = { own, result, peer, peerAccountId: accountId, now, seq: packet.seq };
      const outcome = await this.#apply(unit, opening);
      // Authenticated, if not of use yet: what it says about the logs counts now.
      const heads = judgeHeads(unit, own, { peer, accountId, result });
      if (outcome.park) return { ...outcome, ...heads };
      unit.put(setKey, result.record);
      if (result.prekeys !== prekeys) unit.put(keys.prekeys, result.prekeys);
      return { ...outcome, ...heads };
    } catch (error) {
      const code = codeOf(error);
      if (code === 'fork') return raiseFork(unit, accountId, peer);
      const failure = isDecrypted ? {} : { failure: code };
      // A head newer than the log known here, the sender's or the own one: look, then try again.
      const ownLog = { accountId: own.self.accountId, fromSeq: own.log.headSeq };
      const isOldLog = code === 'truncated' || code === 'mismatch';
      return isOldLog ? { ...waitForLog, ...failure, logs: [log, ownLog] } : failure;
    }
  }

  async #apply(unit: UnitOfWork, opening: Opening): Promise<Outcome> {
    const payload = decodePairwise(opening.result.packet);
    switch (payload.kind) {
      case 'chain':
        return installOwned(unit, opening, payload);
      case 'forwarded-chain':
        return installForwarded(unit, opening, payload);
      case 'dm-key':
        return keepMessageKeys(unit, [acceptDmKey(opening.result.packet)], this.#waiting);
      case 'dm-keys':
        if (!(await noteAnswer(unit, senderOf(opening), opening))) return done;
        return keepMessageKeys(unit, acceptDmKeys(opening.result.packet), this.#waiting);
      case 'resend':
        return { repair: await noteRequest(unit, senderOf(opening), opening.now) };
      case 'backup-key':
        return takeBackupKey(unit, opening, payload);
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
        // Others may still have what its sender has lost, and know a member its sender has not heard of yet.
        if (asked.isShared && (payload.code === 'too-old' || payload.code === 'not-member')) return done;
        unit.put(keys.withheld(channelId, payload.chainId), payload.code);
        unit.remove(keys.asked(channelId, payload.chainId));
        return { unlocked: [channelId] };
      }
    }
  }
}
