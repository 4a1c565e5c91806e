// Opening a channel's events: idempotent by event id, in seq order, one signature check per contiguous run. Whatever
// cannot be opened and verified is never content; the reason is.
import {
  boundSkippedKeys,
  bytesToUuid,
  CryptoError,
  equalBytes,
  findLinkGaps,
  fromBase64Url,
  H,
  idKey,
  openDm,
  parseChainCert,
  parseEnvelopeHeader,
  toBase64Url,
  uuidToBytes,
  verifyRun,
  type CryptoErrorCode,
  type DmKey,
  type EnvelopeView,
  type IncomingEvent,
  type OpenedEvent,
  type ReceiverChain,
  type WithheldCode,
} from '#crypto/index.ts';
import type { AccountId, ChannelId, EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { EMPTY_CHANNEL, minCreatedAt, minEpochAt, noteEvent } from './channel-order.ts';
import { fromWire } from './content-bridge.ts';
import { MAX_CERTS_PER_CHAIN, MAX_PARKED } from './engine-limits.ts';
import { certifiedAt, codeOf, type EngineCore, type Own } from './engine-core.ts';
import type { CryptoApi, DecryptResult, FailedReason, WithheldReason } from './protocol.ts';
import {
  keys,
  type AskedRecord,
  type CertRecord,
  type ChannelRecord,
  type PeerRecord,
  type PlainRecord,
} from './records.ts';
import type { Receiving } from './receiving.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type Input = Parameters<CryptoApi['decrypt']>[0];

/** An event whose envelope agrees with what the server says about it, and whose sender's log is known. */
interface Candidate {
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
const withheldReasons: Record<WithheldCode, WithheldReason> = {
  'not-member': 'not_member',
  'not-shareable': 'not_shareable',
  revoked: 'revoked',
  'too-old': 'too_old',
};

const failed = (eventId: EventId, reason: FailedReason): DecryptResult => ({
  eventId,
  status: 'failed',
  reason,
});
const failedBy = (eventId: EventId, code: CryptoErrorCode): DecryptResult =>
  failed(eventId, reasons[code] ?? 'changed_on_the_way');

export class Decrypting {
  readonly #core: EngineCore;
  readonly #receiving: Receiving;
  /** Event id (hex) → channel, for direct messages whose key is not here yet. */
  readonly #waiting: Map<string, ChannelId>;

  constructor(core: EngineCore, parts: { receiving: Receiving; waiting: Map<string, ChannelId> }) {
    this.#core = core;
    this.#receiving = parts.receiving;
    this.#waiting = parts.waiting;
  }

  async decrypt(input: Input): Promise<readonly DecryptResult[]> {
    const fresh = await this.#core.run((unit) => this.#learn(unit, input));
    if (fresh.length > 0) await this.#receiving.retryFor(fresh, input.now);
    return this.#core.run((unit, own) => this.#open(unit, own, input));
  }

  /** Takes certificates and the epoch the server names; answers the hashes of certificates not seen before. */
  async #learn(unit: UnitOfWork, input: Input): Promise<string[]> {
    const channel = (await unit.get<ChannelRecord>(keys.channel(input.channelId))) ?? EMPTY_CHANNEL;
    if (input.epoch > channel.maxEpoch) {
      unit.put(keys.channel(input.channelId), { ...channel, maxEpoch: input.epoch } satisfies ChannelRecord);
    }
    const fresh: string[] = [];
    for (const text of input.chainCerts) {
      const cert = readCert(text, input.channelId);
      if (!cert) continue;
      const key = keys.certs(cert.chainId);
      const known = (await unit.get<readonly CertRecord[]>(key)) ?? [];
      if (known.length >= MAX_CERTS_PER_CHAIN || known.some(({ hash }) => hash === cert.record.hash))
        continue;
      unit.put(key, [...known, cert.record]);
      fresh.push(cert.record.hash);
    }
    return fresh;
  }

  async #open(unit: UnitOfWork, own: Own, input: Input): Promise<DecryptResult[]> {
    await unit.prefetch(input.events.map((event) => keys.plain(event.eventId)));
    const results = new Map<EventId, DecryptResult>();
    const candidates: Candidate[] = [];
    for (const event of input.events) {
      const known = await this.#known(unit, event);
      const prepared = known ?? (await prepare(unit, own, { event, input }));
      if ('status' in prepared) results.set(event.eventId, prepared);
      else candidates.push(prepared);
    }
    if (input.members) await this.#openDms(unit, own, { input, candidates, results });
    else await this.#openGroups(unit, own, { input, candidates, results });
    return input.events.flatMap((event) => results.get(event.eventId) ?? []);
  }

  /** Opened before, or only its stub is left. */
  async #known(unit: UnitOfWork, event: ChannelEvent): Promise<DecryptResult | null> {
    const { eventId } = event;
    const plain = await unit.get<PlainRecord>(keys.plain(eventId));
    if (event.envelope === null) {
      if (plain) unit.remove(keys.plain(eventId));
      return { eventId, status: 'redacted' };
    }
    if (!plain) return null;
    const { content, senderAccountId, senderDeviceId, missingBefore } = plain;
    return { eventId, status: 'decrypted', content, senderAccountId, senderDeviceId, missingBefore };
  }

  async #openDms(
    unit: UnitOfWork,
    own: Own,
    {
      input,
      candidates,
      results,
    }: { input: Input; candidates: Candidate[]; results: Map<EventId, DecryptResult> },
  ): Promise<void> {
    const aids: Uint8Array[] = [];
    for (const accountId of input.members ?? []) {
      const peer = await unit.get<PeerRecord>(keys.peer(accountId));
      if (peer) aids.push(peer.log.aid);
    }
    const [first = own.log.aid, second = first] = aids;
    const conversation = { channelId: uuidToBytes(input.channelId), participants: [first, second] as const };
    for (const candidate of candidates) {
      const { event, view, incoming } = candidate;
      const key = await unit.get<DmKey>(keys.dmKey(view.eventId));
      if (!key) {
        results.set(event.eventId, this.#withoutKey(own, event, { waitsIn: input.channelId }));
        continue;
      }
      try {
        const opened = openDm(incoming, key, conversation);
        results.set(event.eventId, keep(unit, event, { opened, missingBefore: 0 }));
        unit.remove(keys.dmKey(view.eventId));
        this.#waiting.delete(idKey(view.eventId));
      } catch (error) {
        results.set(event.eventId, failedBy(event.eventId, codeOf(error)));
      }
    }
  }

  #withoutKey(own: Own, event: ChannelEvent, { waitsIn }: { waitsIn: ChannelId }): DecryptResult {
    const { eventId } = event;
    const isOwnDevice = event.senderDeviceId === own.self.deviceId;
    if (isOwnDevice || event.createdAt < certifiedAt(own)) return failed(eventId, 'before_device');
    if (this.#waiting.size >= MAX_PARKED) this.#waiting.clear();
    this.#waiting.set(idKey(uuidToBytes(eventId)), waitsIn);
    return { eventId, status: 'pending', reason: 'key_missing' };
  }

  async #openGroups(
    unit: UnitOfWork,
    own: Own,
    {
      input,
      candidates,
      results,
    }: { input: Input; candidates: Candidate[]; results: Map<EventId, DecryptResult> },
  ): Promise<void> {
    const byChain = new Map<string, Candidate[]>();
    for (const candidate of candidates) {
      const { chain } = candidate.view;
      if (!chain) {
        results.set(candidate.event.eventId, failed(candidate.event.eventId, 'not_encrypted'));
        continue;
      }
      const key = keys.chain(input.channelId, candidate.incoming.sender, chain.chainId);
      byChain.set(key, [...(byChain.get(key) ?? []), candidate]);
    }
    await unit.prefetch([...byChain.keys()]);
    for (const [key, run] of byChain) {
      const chain = await unit.get<ReceiverChain>(key);
      const outcome = chain
        ? await this.#openRun(unit, { input, run, chain, key })
        : await this.#unopened(unit, own, { input, run });
      for (const result of outcome) results.set(result.eventId, result);
    }
  }

  async #openRun(
    unit: UnitOfWork,
    { input, run, chain, key }: { input: Input; run: Candidate[]; chain: ReceiverChain; key: string },
  ): Promise<DecryptResult[]> {
    let channel = (await unit.get<ChannelRecord>(keys.channel(input.channelId))) ?? EMPTY_CHANNEL;
    const firstSeq = run[0]?.event.seq ?? 0;
    const context = {
      minEpoch: minEpochAt(channel, firstSeq),
      minCreatedAt: minCreatedAt(channel, firstSeq),
      now: input.now,
    };
    const outcome = verifyRun(
      chain,
      run.map((candidate) => candidate.incoming),
      context,
    );
    unit.put(key, outcome.chain);
    const gaps = new Set(
      findLinkGaps(outcome.chain).flatMap((gap) => (gap.kind === 'missing' ? [gap.beforeIter] : [])),
    );
    const results = outcome.results.map((result, at): DecryptResult => {
      const event = run[at]!.event;
      if (!result.ok) return failedBy(event.eventId, result.code);
      channel = noteEvent(channel, event);
      return keep(unit, event, {
        opened: result.opened,
        missingBefore: gaps.has(result.opened.iter) ? 1 : 0,
      });
    });
    unit.put(keys.channel(input.channelId), channel);
    if (outcome.chain.skipped.length > chain.skipped.length) await boundSkipped(unit, input.channelId);
    return results;
  }

  /** No key for this chain: it is asked for, refused, or older than this device. */
  async #unopened(
    unit: UnitOfWork,
    own: Own,
    { input, run }: { input: Input; run: Candidate[] },
  ): Promise<DecryptResult[]> {
    const chainId = run[0]!.view.chain!.chainId;
    const code = await unit.get<WithheldCode>(keys.withheld(chainId));
    const certs = await unit.get<readonly CertRecord[]>(keys.certs(chainId));
    const results: DecryptResult[] = [];
    for (const { event, view } of run) {
      const { eventId } = event;
      if (!certs) {
        results.push({ eventId, status: 'pending', reason: 'cert_missing', chainId: toBase64Url(chainId) });
      } else if (code !== undefined) {
        const withheld = withheldReasons[code];
        results.push({ eventId, status: 'failed', reason: 'withheld_by_sender', withheld });
      } else {
        const result = this.#withoutKey(own, event, { waitsIn: input.channelId });
        if (result.status === 'pending') await this.#wish(unit, input.channelId, { event, view });
        results.push(result);
      }
    }
    return results;
  }

  /** Notes the lowest position of a chain to ask its owner for. */
  async #wish(
    unit: UnitOfWork,
    channelId: ChannelId,
    { event, view }: { event: ChannelEvent; view: EnvelopeView },
  ): Promise<void> {
    const { chainId, iter } = view.chain!;
    const key = keys.asked(channelId, chainId);
    const asked = await unit.get<AskedRecord>(key);
    if (asked && asked.iter <= iter) return;
    const owner = { accountId: event.senderAccountId, deviceId: event.senderDeviceId };
    unit.put(key, { owner, chainId, iter, times: asked?.times ?? [] } satisfies AskedRecord);
  }
}

/** A certificate as the server showed it; null for one that is malformed or of another channel. */
function readCert(text: string, channelId: ChannelId): { chainId: Uint8Array; record: CertRecord } | null {
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

/** Checks the envelope against the server's own words about the event, and that its sender is known. */
async function prepare(
  unit: UnitOfWork,
  _own: Own,
  { event, input }: { event: ChannelEvent; input: Input },
): Promise<Candidate | DecryptResult> {
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
  const peer = await unit.get<PeerRecord>(keys.peer(event.senderAccountId));
  if (!peer) return { eventId, status: 'pending', reason: 'log_missing' };
  if (peer.alarm === 'reset') return { eventId, status: 'pending', reason: 'identity_hold' };
  const sender = { aid: peer.log.aid, deviceId: uuidToBytes(event.senderDeviceId) };
  return { event, view, incoming: { envelope, seq: event.seq, createdAt: event.createdAt, sender } };
}

/** Stores what was opened and answers it. The account named is the one whose keys it verified under. */
function keep(
  unit: UnitOfWork,
  event: ChannelEvent,
  { opened, missingBefore }: { opened: OpenedEvent; missingBefore: number },
): DecryptResult {
  const { eventId, senderDeviceId } = event;
  const senderAccountId: AccountId = event.senderAccountId;
  if (!equalBytes(opened.header.eventId, uuidToBytes(eventId)))
    throw new CryptoError('mismatch', 'another event');
  const content = fromWire(opened.content);
  const { contentBytes, frankKey } = opened;
  const record: PlainRecord = {
    content,
    senderAccountId,
    senderDeviceId,
    missingBefore,
    contentBytes,
    frankKey,
  };
  unit.put(keys.plain(eventId), record);
  return { eventId, status: 'decrypted', content, senderAccountId, senderDeviceId, missingBefore };
}

async function boundSkipped(unit: UnitOfWork, channelId: ChannelId): Promise<void> {
  const chains = await unit.list<ReceiverChain>(keys.chains(channelId));
  for (const chain of boundSkippedKeys([...chains.values()])) {
    unit.put(keys.chain(channelId, chain.owner, chain.chainId), chain);
  }
}
