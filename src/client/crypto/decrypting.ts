// Opening a channel's events: idempotent by event id, in seq order, one signature check per contiguous run. Whatever
// cannot be opened and verified is never content; the reason is.
import {
  equalBytes,
  idKey,
  openArchivedDm,
  openDm,
  uuidToBytes,
  verifyRun,
  type Ahead,
  type DmConversation,
  type DmKey,
  type ReceiverChain,
} from '#crypto/index.ts';
import type { EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { EMPTY_CHANNEL, minCreatedAt, minEpochAt, noteEvent, noteShown } from './channel-order.ts';
import { requirePinned } from './conversation-pin.ts';
import { codeOf, type EngineCore, type Own } from './engine-core.ts';
import { MAX_CERTS_PER_CHAIN } from './engine-limits.ts';
import { failed, failedBy, prepare, readCert, type Candidate, type DecryptInput } from './event-checks.ts';
import { identitiesOf } from './former-logs.ts';
import { boundSkipped, keep, missingBefore, stubsOf } from './opened-events.ts';
import { prepareRuns } from './page-ahead.ts';
import type { DecryptResult } from './protocol.ts';
import { archivedDmKeys, chainFromArchive, prefetchDmKeys } from './key-archive.ts';
import type { Receiving } from './receiving.ts';
import {
  keys,
  type ChannelRecord,
  type ParkedRecord,
  type PeerRecord,
  type PinRecord,
  type ReadersRecord,
} from './records.ts';
import { noteMissing } from './repair-state.ts';
import { isProved, isWrongKey, keepHistory, withinHistory } from './shared-history.ts';
import { unopenedEvent, unopenedRun, withoutKey, type WaitingEvents } from './unopened.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type Input = DecryptInput;
type Results = Map<EventId, DecryptResult>;

/** Events of one chain, the chain, and what was checked ahead of them. */
interface Opening {
  readonly input: Input;
  readonly run: Candidate[];
  readonly chain: ReceiverChain;
  readonly key: string;
  readonly ahead: Ahead;
}

export class Decrypting {
  readonly #core: EngineCore;
  readonly #receiving: Receiving;
  /** Event id (hex) → channel, for direct messages whose key is not here yet. */
  readonly #waiting: WaitingEvents;

  constructor(core: EngineCore, parts: { receiving: Receiving; waiting: WaitingEvents }) {
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
    const aids = await identitiesOf(unit, input.members ?? []);
    const channelId = uuidToBytes(input.channelId);
    await prefetchDmKeys(
      unit,
      candidates.map(({ event }) => event.eventId),
    );
    for (const candidate of candidates) {
      const { event, view, incoming } = candidate;
      // By the identity its sender had then, which may be one they gave up since.
      const sender = aids.find((aid) => equalBytes(aid, incoming.sender.aid)) ?? own.log.aid;
      const conversation = { channelId, participants: [own.log.aid, sender] as const };
      const result = await this.#openDm(unit, own, { candidate, conversation, now: input.now });
      results.set(event.eventId, result);
      if (result.status !== 'decrypted') continue;
      unit.remove(keys.dmKey(view.eventId));
      this.#waiting.delete(idKey(view.eventId));
    }
  }

  /** With the key its sender sent, or one out of the own backup: whichever was made for this very message. */
  async #openDm(
    unit: UnitOfWork,
    own: Own,
    { candidate, conversation, now }: { candidate: Candidate; conversation: DmConversation; now: number },
  ): Promise<DecryptResult> {
    const { event, view, incoming } = candidate;
    const sent = await unit.get<DmKey>(keys.dmKey(view.eventId));
    const archived = await archivedDmKeys(unit, view.eventId);
    const ways = [
      ...(sent ? [() => openDm(incoming, sent, conversation)] : []),
      ...archived.map((key) => () => openArchivedDm(incoming, key, conversation)),
    ];
    const isSent = (at: number): boolean => sent !== undefined && at === 0;
    let failure: DecryptResult | null = null;
    for (const [at, open] of ways.entries()) {
      try {
        return keep(unit, event, { opened: open(), missingBefore: 0, now });
      } catch (error) {
        const code = codeOf(error);
        // An archived key made for other bytes (a send that was refused and encrypted anew) says nothing about these.
        if (isSent(at) || code !== 'mismatch') failure ??= failedBy(event.eventId, code);
      }
    }
    if (failure) return failure;
    const result = await withoutKey(unit, own, { event, waiting: this.#waiting });
    const accountId = event.senderAccountId;
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    if (peer && result.status === 'pending' && result.reason === 'key_missing')
      await noteMissing(unit, { peer, accountId, deviceId: event.senderDeviceId }, event);
    return result;
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
    const ahead = await prepareRuns(this.#core, unit, { channelId: input.channelId, runs });
    for (const [key, run] of runs) {
      const chain = await this.#chainFor(unit, { input, run, key, ahead });
      const outcome = chain
        ? await this.#openRun(unit, own, { input, run, chain, key, ahead })
        : await unopenedRun(unit, own, { run, waiting: this.#waiting });
      for (const result of outcome) results.set(result.eventId, result);
    }
  }

  /** The chain as held, reaching back as far as the archive knows where the run needs it. */
  async #chainFor(
    unit: UnitOfWork,
    { input, run, key, ahead }: { input: Input; run: Candidate[]; key: string; ahead: Ahead },
  ): Promise<ReceiverChain | undefined> {
    const held = await unit.get<ReceiverChain>(key);
    const first = Math.min(...run.map(({ view }) => view.chain!.iter));
    if (held && first >= held.startIter) return held;
    const { event, view, incoming } = run[0]!;
    const wanted = {
      channelId: input.channelId,
      sender: incoming.sender,
      senderAccountId: event.senderAccountId,
      chainId: view.chain!.chainId,
      now: input.now,
    };
    return (await chainFromArchive(unit, wanted, ahead)) ?? held;
  }

  async #openRun(
    unit: UnitOfWork,
    own: Own,
    { input, run, chain, key, ahead }: Opening,
  ): Promise<DecryptResult[]> {
    const { channelId } = input;
    let channel = (await unit.get<ChannelRecord>(keys.channel(channelId))) ?? EMPTY_CHANNEL;
    const isLate = ({ event }: Candidate): boolean => minEpochAt(channel, event.seq) > event.epoch;
    const late = run.filter(isLate).map(({ event }) => failedBy(event.eventId, 'revoked'));
    const [inTime, beyond] = withinHistory(
      chain,
      run.filter((candidate) => !isLate(candidate)),
    );
    for (const candidate of beyond)
      late.push(await unopenedEvent(unit, own, { candidate, waiting: this.#waiting }));
    const first = inTime[0]?.event;
    if (!first) return late;
    const readers = await unit.get<ReadersRecord>(keys.readers(channelId));
    const context = {
      minEpoch: minEpochAt(channel, first.seq),
      minCreatedAt: minCreatedAt(channel, first.seq),
      removedFromEpoch: readers?.removed[first.senderAccountId],
      now: input.now,
    };
    const incoming = inTime.map((candidate) => candidate.incoming);
    const outcome = ahead.use(() => verifyRun(chain, incoming, context));
    if (isWrongKey(chain, outcome)) {
      // Whoever handed it on gave another key than the sender's: as if nobody had.
      unit.remove(key);
      return [...late, ...(await unopenedRun(unit, own, { run: inTime, waiting: this.#waiting }))];
    }
    unit.put(key, outcome.chain);
    if (isProved(chain, outcome)) await keepHistory(unit, channelId, chain);
    const gaps = missingBefore(outcome.chain, { channel, stubs: stubsOf(input.events) });
    const results = outcome.results.map((result, at): DecryptResult => {
      const { event } = inTime[at]!;
      if (!result.ok) return failedBy(event.eventId, result.code);
      channel = noteEvent(channel, event);
      return keep(unit, event, {
        opened: result.opened,
        missingBefore: gaps.has(result.opened.iter) ? 1 : 0,
        now: input.now,
      });
    });
    unit.put(keys.channel(channelId), channel);
    for (const [at, result] of outcome.results.entries()) {
      if (result.ok || result.code !== 'unknown_chain') continue;
      // Before the first position given, yet after this device was there: the earlier keys can be asked for.
      results[at] = await unopenedEvent(unit, own, { candidate: inTime[at]!, waiting: this.#waiting });
    }
    if (outcome.chain.skipped.length > chain.skipped.length) await boundSkipped(unit, channelId);
    return [...late, ...results];
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
