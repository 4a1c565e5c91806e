// A relay in memory for engine tests: it keeps logs, prekeys, mailboxes and one channel log per id, and does nothing
// else. The crypto on both sides is the real engine over the real reference store.
import { webcrypto } from 'node:crypto';
import { MemoryStore } from '#crypto/memory-store.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { webBackend, type Subtle } from '#crypto/web-backend.ts';
import {
  bytesToUuid,
  createGenesis,
  createVault,
  derivePasswordKeys,
  ed25519KeyPair,
  fromBase64Url,
  H,
  newKdfParams,
  newRecoveryCode,
  openAccountLog,
  openVault,
  parseEnvelopeHeader,
  resealVault,
  systemRng,
  timeOrderedId,
  toBase64Url,
  utf8,
  uuidToBytes,
  type AheadBackend,
  type ProtocolStore,
} from '#crypto/index.ts';
import { createEngine } from '#client/crypto/engine.ts';
import type {
  ConversationRef,
  CryptoApi,
  Content,
  DecryptResult,
  SealedMessage,
} from '#client/crypto/protocol.ts';
import type { AccountLog, ClaimResult } from '#shared/devices.ts';
import type { AccountId, ChannelId, DeviceId, DeviceRef, EventId } from '#shared/ids.ts';
import type { MailboxPacket, OutgoingPacket } from '#shared/mailbox.ts';
import type { ChannelEvent, EventClass } from '#shared/messages.ts';

/** Cheap, deterministic stand-in for Argon2id: these tests are not about password hardness. */
export const quickKdf = (password: Uint8Array, params: { salt: Uint8Array }): Uint8Array => {
  const half = H(password, params.salt);
  const out = new Uint8Array(64);
  out.set(half);
  out.set(H(half), 32);
  return out;
};

export interface Person<Store extends ProtocolStore = MemoryStore> {
  readonly name: string;
  readonly engine: CryptoApi;
  readonly store: Store;
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
}

/** On whatever store. */
export type AnyPerson = Omit<Person, 'store'>;

export class Exchange {
  now = 1_800_000_000_000;
  readonly logs = new Map<AccountId, string[]>();
  readonly vaults = new Map<AccountId, string>();
  readonly kdfs = new Map<AccountId, Parameters<CryptoApi['deriveLogin']>[0]['kdf']>();
  readonly prekeys = new Map<DeviceId, { set: string; units: string[]; owner: AccountId }>();
  readonly mail = new Map<DeviceId, MailboxPacket[]>();
  readonly events = new Map<ChannelId, ChannelEvent[]>();
  readonly certs = new Map<ChannelId, Record<string, string>>();
  #seed = 0;
  #mailSeq = 0;
  readonly #backend: AheadBackend | null;

  /** @param backend what every engine here works ahead with: as in browsers, WebCrypto; null for none */
  constructor(backend: AheadBackend | null = webBackend(webcrypto.subtle as Subtle)) {
    this.#backend = backend;
  }

  engine(name: string): { engine: CryptoApi; store: MemoryStore } {
    const store = new MemoryStore();
    return { engine: this.#engineOn(name, store), store };
  }

  #engineOn(name: string, store: ProtocolStore): CryptoApi {
    const rng = seededRng(utf8(`${name}/${this.#seed++}`));
    return createEngine({ store, rng, argon2: quickKdf, backend: this.#backend });
  }

  join(name: string): Promise<Person> {
    return this.joinOn(name, new MemoryStore());
  }

  /** A new person whose records lie in this store. */
  async joinOn<Store extends ProtocolStore>(name: string, store: Store): Promise<Person<Store>> {
    const engine = this.#engineOn(name, store);
    const made = await engine.prepareAccount({ password: `${name}-password`, now: this.now });
    await engine.adopt();
    const { accountId, deviceId } = made;
    this.logs.set(accountId, [...made.log]);
    this.vaults.set(accountId, made.vault);
    this.kdfs.set(accountId, made.kdf);
    const person = { name, engine, store, accountId, deviceId };
    await this.publish(person);
    return person;
  }

  /** A second browser of the same person: log-in by password, root certifies the device. */
  async addDevice(person: AnyPerson): Promise<Person> {
    const { accountId, name } = person;
    const { engine, store } = this.engine(`${name}-2`);
    await engine.deriveLogin({ password: `${name}-password`, kdf: this.kdfs.get(accountId)! });
    const log = this.logs.get(accountId)!;
    const made = await engine.certifyDevice({
      accountId,
      vault: this.vaults.get(accountId)!,
      log,
      now: this.now,
    });
    await engine.adopt();
    log.push(made.entry);
    const device = { name: `${name}-2`, engine, store, accountId, deviceId: made.deviceId };
    await this.publish(device);
    return device;
  }

  /** The same account begun anew, as after losing everything: another root, another device, the account id kept. */
  async rejoin(person: AnyPerson): Promise<Person> {
    const { accountId, name } = person;
    const rng = systemRng;
    const password = await derivePasswordKeys(`${name}-password`, newKdfParams(rng), quickKdf);
    const root = ed25519KeyPair(rng);
    const account = uuidToBytes(accountId);
    const genesis = createGenesis({ accountId: account, root, createdAt: this.now }, rng);
    const { slotKey, params } = password;
    const secrets = {
      accountId: account,
      rootSecret: root.secretKey,
      backupKey: rng.bytes(32),
      backupVersion: 1,
    };
    const keys = { code: newRecoveryCode(rng), password: { kind: 'password', slotKey, params } as const };
    this.logs.set(accountId, [toBase64Url(genesis)]);
    this.vaults.set(accountId, toBase64Url(createVault(secrets, keys, rng)));
    this.kdfs.set(accountId, { v: 1, m: params.m, t: params.t, p: 1, salt: toBase64Url(params.salt) });
    return this.addDevice(person);
  }

  /** The person's vault with its secrets sealed again: the next revision. */
  async newerVault(person: AnyPerson): Promise<string> {
    const { accountId, name } = person;
    const { salt, m, t, p } = this.kdfs.get(accountId)!;
    const params = { v: 1, m, t, p, salt: fromBase64Url(salt) } as const;
    const { slotKey } = await derivePasswordKeys(`${name}-password`, params, quickKdf);
    const encoded = fromBase64Url(this.vaults.get(accountId)!);
    const { aid } = openAccountLog(this.logs.get(accountId)!.map(fromBase64Url));
    const opened = openVault(encoded, { kind: 'password', slotKey, params }, { aid, minRevision: 0 });
    return toBase64Url(resealVault(encoded, { opened, secrets: opened.secrets }, systemRng));
  }

  async publish(person: AnyPerson): Promise<void> {
    const status = { setId: null, setHash: null, remaining: 0, notAfter: null };
    const upload = await person.engine.preparePrekeys({ status, now: this.now });
    if (!upload) return;
    this.prekeys.set(person.deviceId, { set: upload.set, units: [...upload.units], owner: person.accountId });
    await person.engine.prekeysPublished();
  }

  /** A conversation at its first epoch; spread another `epoch` over it for later ones. */
  conversation(kind: 'text' | 'dm', channelId: ChannelId, people: readonly AnyPerson[]): ConversationRef {
    const readers = [...new Set(people.map((p) => p.accountId))];
    return { channelId, kind, epoch: 1, devicesVersion: 1, readers };
  }

  logsFor(wanted: readonly { accountId: AccountId; fromSeq: number }[]): AccountLog[] {
    return wanted.map(({ accountId, fromSeq }) => ({
      accountId,
      entries: this.logs.get(accountId)!.slice(fromSeq),
      devices: [],
    }));
  }

  claim(targets: readonly DeviceRef[]): ClaimResult[] {
    return targets.map((target) => {
      const held = this.prekeys.get(target.deviceId);
      if (!held) return { ...target, status: 'refused', reason: 'no_keys' };
      return { ...target, status: 'claimed', set: held.set, unit: held.units.shift() ?? null };
    });
  }

  async prepare(person: AnyPerson, conversation: ConversationRef): Promise<void> {
    const { engine } = person;
    const first = await engine.missingKeys({ conversation, logsFresh: false, now: this.now });
    await engine.ingestLogs({ logs: this.logsFor(first.logs), isMailTaken: true });
    const { bundles } = await engine.missingKeys({ conversation, logsFresh: true, now: this.now });
    await engine.startSessions({ claims: this.claim(bundles), now: this.now });
  }

  post(person: AnyPerson, packets: readonly OutgoingPacket[]): void {
    for (const packet of packets) {
      const queue = this.mail.get(packet.deviceId) ?? [];
      this.mail.set(packet.deviceId, queue);
      queue.push({
        seq: ++this.#mailSeq,
        senderAccountId: person.accountId,
        senderDeviceId: person.deviceId,
        bytes: packet.bytes,
        createdAt: this.now,
      });
    }
  }

  /** Appends a sealed message to the channel's log as the server would. */
  append(person: AnyPerson, sealed: SealedMessage): ChannelEvent {
    const view = parseEnvelopeHeader(fromBase64Url(sealed.envelope));
    const channelId = bytesToUuid(view.channelId) as ChannelId;
    const log = this.events.get(channelId) ?? [];
    this.events.set(channelId, log);
    if (sealed.chainCert && view.chain) {
      const certs = this.certs.get(channelId) ?? {};
      this.certs.set(channelId, { ...certs, [toBase64Url(view.chain.chainId)]: sealed.chainCert });
    }
    const event: ChannelEvent = {
      channelId,
      seq: log.length + 1,
      eventId: sealed.eventId,
      class: view.class as EventClass,
      ordinal: log.length + 1,
      senderAccountId: person.accountId,
      senderDeviceId: person.deviceId,
      refId: view.ref ? (bytesToUuid(view.ref) as EventId) : null,
      epoch: view.epoch,
      envelope: sealed.envelope,
      stub: null,
      frankTag: null,
      createdAt: this.now,
    };
    log.push(event);
    return event;
  }

  /** Everything the relay holds, to be put back as it was. */
  snapshot(): () => void {
    const kept = [this.logs, this.prekeys, this.mail, this.events, this.certs].map((map) => {
      const copy = structuredClone([...map]);
      return () => {
        map.clear();
        for (const [key, value] of structuredClone(copy)) (map as Map<unknown, unknown>).set(key, value);
      };
    });
    return () => kept.forEach((restore) => restore());
  }

  newEventId(): EventId {
    this.now += 10;
    return bytesToUuid(timeOrderedId(this.now, seededRng(utf8(`event ${this.now}`)))) as EventId;
  }

  async say(person: AnyPerson, conversation: ConversationRef, text: string): Promise<ChannelEvent> {
    return this.send(person, conversation, { type: 'text', text, replyTo: null });
  }

  async send(person: AnyPerson, conversation: ConversationRef, content: Content): Promise<ChannelEvent> {
    await this.prepare(person, conversation);
    const eventId = this.newEventId();
    const eventClass = content.type === 'text' || content.type === 'unknown' ? 'message' : content.type;
    const refId = 'target' in content ? content.target : null;
    const sealed = await person.engine.encrypt({
      conversation,
      eventId,
      class: eventClass,
      content,
      refId,
      now: this.now,
    });
    this.post(person, sealed.packets);
    const event = this.append(person, sealed);
    await person.engine.acknowledge({ channelId: conversation.channelId, eventId });
    return event;
  }

  /** Takes the mail, fetching logs it asks for, and opens the whole channel log. */
  async read(person: AnyPerson, conversation: ConversationRef): Promise<DecryptResult[]> {
    await this.collect(person);
    const { channelId, kind, epoch, readers } = conversation;
    const needed = await person.engine.logsNeeded({ accounts: readers.map((accountId) => ({ accountId })) });
    await person.engine.ingestLogs({ logs: this.logsFor(needed), isMailTaken: true });
    const results = await person.engine.decrypt({
      channelId,
      kind,
      epoch,
      members: kind === 'dm' ? readers : null,
      events: this.events.get(channelId) ?? [],
      chainCerts: Object.values(this.certs.get(channelId) ?? {}),
      now: this.now,
    });
    return [...results];
  }

  /** What the key duties do about repairs, for channels whose readers the caller names. */
  async repair(person: AnyPerson, conversations: readonly ConversationRef[] = []): Promise<OutgoingPacket[]> {
    const { engine } = person;
    const sent: OutgoingPacket[] = [];
    for (let round = 0; round < 4; round++) {
      const due = await engine.dueRepairs({ now: this.now });
      this.post(person, due.packets);
      sent.push(...due.packets);
      await engine.repairsSent();
      for (const conversation of conversations) {
        if (!due.requested.includes(conversation.channelId)) continue;
        const packets = await engine.answerRequests({ conversation, now: this.now });
        this.post(person, packets);
        sent.push(...packets);
      }
      if (due.bundles.length > 0)
        await engine.startSessions({ claims: this.claim(due.bundles), now: this.now });
      else if (due.packets.length === 0) break;
    }
    return sent;
  }

  async collect(person: AnyPerson): Promise<void> {
    let packets = this.mail.get(person.deviceId) ?? [];
    for (let round = 0; round < 4; round++) {
      const report = await person.engine.receivePackets({ packets, now: this.now });
      const done = new Set(report.done);
      this.mail.set(
        person.deviceId,
        (this.mail.get(person.deviceId) ?? []).filter((p) => !done.has(p.seq)),
      );
      if (report.needLogs.length === 0) return;
      await person.engine.ingestLogs({ logs: this.logsFor(report.needLogs), isMailTaken: true });
      packets = [];
    }
  }
}

/** Lets everybody ask and answer until nobody has anything to do now. Answers what went over the wire. */
export async function mend(
  server: Exchange,
  people: readonly AnyPerson[],
  conversations: readonly ConversationRef[] = [],
): Promise<OutgoingPacket[]> {
  const sent: OutgoingPacket[] = [];
  for (let round = 0; round < 8; round++) {
    const before = sent.length;
    for (const person of people) {
      await server.collect(person);
      sent.push(...(await server.repair(person, conversations)));
    }
    if (sent.length === before) return sent;
  }
  throw new Error('repair does not come to rest');
}

export const textsOf = (results: readonly DecryptResult[]): (string | null)[] =>
  results.map((r) => (r.status === 'decrypted' && r.content.type === 'text' ? r.content.text : null));
