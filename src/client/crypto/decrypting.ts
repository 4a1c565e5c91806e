// Opening a channel's events: idempotent by event id, in seq order, one signature check per contiguous run. Whatever
// cannot be opened and verified is never content; the reason is.
import {
  idKey,
  openDm,
  toBase64Url,
  uuidToBytes,
  verifyRun,
  type DmKey,
  type EnvelopeView,
  type ReceiverChain,
  type WithheldCode,
} from '#crypto/index.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { EMPTY_CHANNEL, minCreatedAt, minEpochAt, noteEvent, noteShown } from './channel-order.ts';
import { requirePinned } from './conversation-pin.ts';
import { certifiedAt, codeOf, type EngineCore, type Own } from './engine-core.ts';
import { MAX_CERTS_PER_CHAIN, MAX_PARKED } from './engine-limits.ts';
import {
  failed,
  failedBy,
  prepare,
  readCert,
  withheldReasons,
  type Candidate,
  type DecryptInput,
} from './event-checks.ts';
import { boundSkipped, keep, missingBefore, stubsOf } from './opened-events.ts';
import type { DecryptResult } from './protocol.ts';
import type { Receiving } from './receiving.ts';
import {
  keys,
  type AskedRecord,
  type ChannelRecord,
  type ParkedRecord,
  type PeerRecord,
  type PinRecord,
  type ReadersRecord,
} from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type Input = DecryptInput;
type Results = Map<EventId, DecryptResult>;

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
    const awaited = await this.#core.run((unit) => this.#learn(unit, input));
    if (awaited.length > 0) await this.#receiving.retryFor(awaited, input.now);
    return this.#core.run((unit, own) => this.#open(unit, own, input));
  }

  /** Takes certificates and the epoch the server names; answers the hashes of those that packets wait for. */
  async #learn(unit: UnitOfWork, input: Input): Promise<string[]> {
    const channel = (await unit.get<ChannelRecord>(keys.channel(input.channelId))) ?? EMPTY_CHANNEL;
    // An event may be here before the news of the epoch it was written under.
    const named = Math.max(input.epoch, ...input.events.map((event) => event.epoch));
    if (named > channel.maxEpoch) {
      unit.put(keys.channel(input.channelId), { ...channel, maxEpoch: named } satisfies ChannelRecord);
    }
    const shown: string[] = [];
    for (const text of input.chainCerts) {
      const cert = readCert(text, input.channelId);
      if (!cert) continue;
      const key = keys.certs(input.channelId, cert.chainId);
      const known = (await unit.get<readonly string[]>(key)) ?? [];
      const { hash } = cert.record;
      shown.push(hash);
      if (known.length >= MAX_CERTS_PER_CHAIN || known.includes(hash)) continue;
      unit.put(key, [...known, hash]);
      unit.put(keys.cert(hash), cert.record);
    }
    if (shown.length === 0) return [];
    const parked = [...(await unit.list<ParkedRecord>(keys.parkedAll)).values()];
    return shown.filter((hash) => parked.some((item) => item.certHash === hash));
  }

  async #open(unit: UnitOfWork, own: Own, input: Input): Promise<DecryptResult[]> {
    await unit.prefetch(input.events.map((event) => keys.plain(event.eventId)));
    const results: Results = new Map();
    const candidates: Candidate[] = [];
    const pinned = await isAsPinned(unit, own, input);
    const known: ChannelEvent[] = [];
    for (const event of input.events) {
      const prepared = pinned
        ? await prepare(unit, { event, input })
        : failed(event.eventId, 'not_encrypted');
      if (!('status' in prepared)) candidates.push(prepared);
      else results.set(event.eventId, prepared);
      if ('status' in prepared && prepared.status === 'decrypted') known.push(event);
    }
    await this.#note(unit, input, known);
    if (input.members) await this.#openDms(unit, own, { input, candidates, results });
    else await this.#openGroups(unit, own, { input, candidates, results });
    return input.events.flatMap((event) => results.get(event.eventId) ?? []);
  }

  /** Which part of the log was shown, and where epochs begin by what is opened already (own messages too). */
  async #note(unit: UnitOfWork, input: Input, known: readonly ChannelEvent[]): Promise<void> {
    const key = keys.channel(input.channelId);
    const before = (await unit.get<ChannelRecord>(key)) ?? EMPTY_CHANNEL;
    const shown = noteShown(
      before,
      input.events.map((event) => event.seq),
    );
    const after = known.reduce((channel, event) => noteEvent(channel, event), shown);
    if (JSON.stringify(after) !== JSON.stringify(before)) unit.put(key, after);
  }

  async #openDms(
    unit: UnitOfWork,
    own: Own,
    { input, candidates, results }: { input: Input; candidates: Candidate[]; results: Results },
  ): Promise<void> {
    const aids: Uint8Array[] = [];
    for (const accountId of new Set(input.members)) {
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
    { input, candidates, results }: { input: Input; candidates: Candidate[]; results: Results },
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
    // Newest epochs first: where one begins in this very page, nothing older may follow (A66).
    const runs = [...byChain].sort(([, a], [, b]) => b[0]!.event.epoch - a[0]!.event.epoch);
    for (const [key, run] of runs) {
      const chain = await unit.get<ReceiverChain>(key);
      const outcome = chain
        ? await this.#openRun(unit, own, { input, run, chain, key })
        : await this.#unopened(unit, own, { input, run });
      for (const result of outcome) results.set(result.eventId, result);
    }
  }

  async #openRun(
    unit: UnitOfWork,
    own: Own,
    { input, run, chain, key }: { input: Input; run: Candidate[]; chain: ReceiverChain; key: string },
  ): Promise<DecryptResult[]> {
    const { channelId } = input;
    let channel = (await unit.get<ChannelRecord>(keys.channel(channelId))) ?? EMPTY_CHANNEL;
    const isLate = ({ event }: Candidate): boolean => minEpochAt(channel, event.seq) > event.epoch;
    const late = run.filter(isLate).map(({ event }) => failedBy(event.eventId, 'revoked'));
    const inTime = run.filter((candidate) => !isLate(candidate));
    const first = inTime[0]?.event;
    if (!first) return late;
    const readers = await unit.get<ReadersRecord>(keys.readers(channelId));
    const outcome = verifyRun(
      chain,
      inTime.map((candidate) => candidate.incoming),
      {
        minEpoch: minEpochAt(channel, first.seq),
        minCreatedAt: minCreatedAt(channel, first.seq),
        removedFromEpoch: readers?.removed[first.senderAccountId],
        now: input.now,
      },
    );
    unit.put(key, outcome.chain);
    const gaps = missingBefore(outcome.chain, { channel, stubs: stubsOf(input.events) });
    const results = outcome.results.map((result, at): DecryptResult => {
      const { event } = inTime[at]!;
      if (!result.ok) return failedBy(event.eventId, result.code);
      channel = noteEvent(channel, event);
      return keep(unit, event, {
        opened: result.opened,
        missingBefore: gaps.has(result.opened.iter) ? 1 : 0,
      });
    });
    unit.put(keys.channel(channelId), channel);
    for (const [at, result] of outcome.results.entries()) {
      if (result.ok || result.code !== 'unknown_chain') continue;
      // Before the first position given, yet after this device was there: the earlier keys can be asked for.
      const { event, view } = inTime[at]!;
      const code = await unit.get<WithheldCode>(keys.withheld(channelId, chain.chainId));
      if (code !== undefined) {
        const { eventId } = event;
        const withheld = withheldReasons[code];
        results[at] = { eventId, status: 'failed', reason: 'withheld_by_sender', withheld };
        continue;
      }
      const withoutKey = this.#withoutKey(own, event, { waitsIn: channelId });
      if (withoutKey.status === 'pending') await this.#wish(unit, channelId, { event, view });
      results[at] = withoutKey;
    }
    if (outcome.chain.skipped.length > chain.skipped.length) await boundSkipped(unit, channelId);
    return [...late, ...results];
  }

  /** No key for this chain: it is asked for, refused, or older than this device. */
  async #unopened(
    unit: UnitOfWork,
    own: Own,
    { input, run }: { input: Input; run: Candidate[] },
  ): Promise<DecryptResult[]> {
    const chainId = run[0]!.view.chain!.chainId;
    const code = await unit.get<WithheldCode>(keys.withheld(input.channelId, chainId));
    const certs = await unit.get<readonly string[]>(keys.certs(input.channelId, chainId));
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

/** False for a conversation that was another one before: nothing in it is shown (A76). */
async function isAsPinned(unit: UnitOfWork, own: Own, input: Input): Promise<boolean> {
  const { channelId, members } = input;
  try {
    if (members) await requirePinned(unit, own, { channelId, kind: 'dm', members });
    const pin = await unit.get<PinRecord>(keys.pin(channelId));
    return pin?.kind !== 'dm' || members !== null;
  } catch (error) {
    codeOf(error);
    return false;
  }
}
