// The server's rules in memory, for the model-based test (A96): logs, audiences, prekeys, mailboxes, backups and channel
// logs, with the verdicts of src/server/domains. It sees what a server sees: ciphertext and public keys.
import {
  appendLeaves,
  bytesToUuid,
  EMPTY_FRONTIER,
  equalBytes,
  extendAccountLog,
  findDevice,
  fromBase64Url,
  merkleLeaf,
  merkleRoot,
  openAccountLog,
  parseBackupManifest,
  parseEnvelopeHeader,
  toBase64Url,
  uuidToBytes,
  type AccountLogState,
} from '#crypto/index.ts';
import { decodeLogEntry, verifyBackupManifest, type LogEntry } from '#crypto/verify.ts';
import type { KdfParams } from '#shared/auth.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { ChannelKind, ChannelReaders, HistoryPolicy } from '#shared/channels.ts';
import type { AccountLog, ClaimResult, PrekeyStatus, Vouching } from '#shared/devices.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, DeviceId, DeviceRef } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { MailboxPacket, OutgoingPacket } from '#shared/mailbox.ts';
import type { ChannelEvent, EventClass, GapPage, MessagePage, SendAck } from '#shared/messages.ts';

export interface Channel {
  readonly channelId: ChannelId;
  readonly kind: ChannelKind;
  readonly historyPolicy: HistoryPolicy;
  readonly readers: Set<AccountId>;
  readonly log: ChannelEvent[];
  /** By chain id (base64url). */
  readonly certs: Map<string, string>;
  epoch: number;
  devicesVersion: number;
}

interface DeviceRow {
  readonly createdAt: number;
  isRevoked: boolean;
}

interface Account {
  readonly log: string[];
  state: AccountLogState;
  readonly vault: string;
  readonly kdf: KdfParams;
  readonly devices: Map<DeviceId, DeviceRow>;
  readonly backup: { version: number; readonly entries: string[]; manifest: string | null };
}

interface Prekeys {
  readonly set: string;
  readonly setId: number;
  readonly hash: string;
  readonly notAfter: number;
  readonly units: string[];
}

/** A set as its device published it, decoded once by whoever calls. */
export type PublishedPrekeys = Prekeys;

export interface Sender {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
}

export interface Send {
  readonly envelope: string;
  readonly packets: readonly OutgoingPacket[];
  readonly chainCert?: string | undefined;
  readonly dmDevices?: readonly DeviceRef[] | undefined;
}

export class ModelServer {
  readonly accounts = new Map<AccountId, Account>();
  readonly channels = new Map<ChannelId, Channel>();
  readonly prekeys = new Map<DeviceId, Prekeys>();
  readonly mail = new Map<DeviceId, MailboxPacket[]>();
  readonly #now: () => number;
  readonly #publish: (deviceId: DeviceId, event: LiveEvent) => void;
  readonly #onStored: (stored: { event: ChannelEvent; readers: ReadonlySet<AccountId> }) => void;
  readonly #onRevoked: (deviceId: DeviceId) => void;
  #mailSeq = 0;

  constructor(options: {
    now: () => number;
    /** What a device's socket hears, if it has one. */
    publish: (deviceId: DeviceId, event: LiveEvent) => void;
    onStored: (stored: { event: ChannelEvent; readers: ReadonlySet<AccountId> }) => void;
    onRevoked: (deviceId: DeviceId) => void;
  }) {
    this.#now = options.now;
    this.#publish = options.publish;
    this.#onStored = options.onStored;
    this.#onRevoked = options.onRevoked;
  }

  register(accountId: AccountId, made: { log: readonly string[]; vault: string; kdf: KdfParams }): void {
    const state = openAccountLog(made.log.map(fromBase64Url));
    const devices = new Map<DeviceId, DeviceRow>();
    for (const { cert } of Object.values(state.devices))
      devices.set(bytesToUuid(cert.deviceId) as DeviceId, { createdAt: this.#now(), isRevoked: false });
    const backup = { version: 0, entries: [], manifest: null };
    this.accounts.set(accountId, { ...made, log: [...made.log], state, devices, backup });
  }

  account(accountId: AccountId): Account {
    const account = this.accounts.get(accountId);
    if (!account) throw notFound();
    return account;
  }

  isLive({ accountId, deviceId }: Sender): boolean {
    return this.accounts.get(accountId)?.devices.get(deviceId)?.isRevoked === false;
  }

  liveDevices(accountId: AccountId): DeviceId[] {
    return [...this.account(accountId).devices].flatMap(([id, row]) => (row.isRevoked ? [] : [id]));
  }

  #readable(actor: Sender, channelId: ChannelId): Channel {
    const channel = this.channels.get(channelId);
    if (!channel?.readers.has(actor.accountId)) throw notFound();
    return channel;
  }

  // ---- Audience

  #toReaders(channel: Channel, event: LiveEvent): void {
    for (const accountId of channel.readers)
      for (const deviceId of this.liveDevices(accountId)) this.#publish(deviceId, event);
  }

  #rekey(channel: Channel, lost: boolean): void {
    channel.devicesVersion += 1;
    if (lost) channel.epoch += 1;
    const { channelId, epoch, devicesVersion } = channel;
    this.#toReaders(channel, { type: 'channel.rekeyed', channelId, epoch, devicesVersion });
  }

  join(channelId: ChannelId, accountId: AccountId): void {
    const channel = this.channels.get(channelId)!;
    if (channel.readers.has(accountId)) return;
    channel.readers.add(accountId);
    this.#rekey(channel, false);
  }

  leave(channelId: ChannelId, accountId: AccountId): void {
    const channel = this.channels.get(channelId)!;
    if (channel.readers.delete(accountId)) this.#rekey(channel, true);
  }

  readers(actor: Sender, { channelId }: { channelId: ChannelId }): ChannelReaders {
    const { epoch, devicesVersion, readers } = this.#readable(actor, channelId);
    return { channelId, epoch, devicesVersion, accountIds: [...readers] };
  }

  // ---- Devices

  appendLog(
    { accountId, deviceId: by }: Pick<Sender, 'accountId'> & Partial<Sender>,
    { entry: text, backup: vouching }: { entry: string; backup?: Vouching },
  ): void {
    const account = this.account(accountId);
    if (account.log.includes(text)) return;
    const entry = decodeLogEntry(fromBase64Url(text));
    const known = account.state;
    if (entry.seq !== known.headSeq + 1) throw new AppError({ code: 'conflict', what: 'account_log' });
    const state = extendAccountLog(known, [fromBase64Url(text)]);
    const { body } = entry;
    if (body.op === 'revokeDevice') {
      account.backup.manifest = vouched({ ...account, state, by }, body, vouching);
      const deviceId = bytesToUuid(body.deviceId) as DeviceId;
      const row = account.devices.get(deviceId);
      if (row) row.isRevoked = true;
      this.mail.delete(deviceId);
      this.#onRevoked(deviceId);
    }
    account.log.push(text);
    account.state = state;
    const { op } = body;
    if (op !== 'addDevice' && op !== 'revokeDevice') return;
    const added = Object.values(state.devices).find((device) => device.addedAtSeq === entry.seq);
    if (op === 'addDevice' && added) {
      const deviceId = bytesToUuid(added.cert.deviceId) as DeviceId;
      account.devices.set(deviceId, { createdAt: this.#now(), isRevoked: false });
    }
    const read = [...this.channels.values()].filter((channel) => channel.readers.has(accountId));
    const heard = new Set(read.flatMap((channel) => [...channel.readers]));
    const changed = { type: 'devices.changed', accountId, headSeq: entry.seq } as const;
    for (const id of heard) for (const deviceId of this.liveDevices(id)) this.#publish(deviceId, changed);
    for (const channel of read) this.#rekey(channel, op === 'revokeDevice');
  }

  logs(input: { accounts: readonly { accountId: AccountId; fromSeq: number }[] }): AccountLog[] {
    return input.accounts.map(({ accountId, fromSeq }) => ({
      accountId,
      entries: this.account(accountId).log.slice(fromSeq),
      devices: [],
    }));
  }

  publishPrekeys({ deviceId }: Sender, made: PublishedPrekeys): PrekeyStatus {
    const known = this.prekeys.get(deviceId);
    if (known?.setId === made.setId) {
      if (known.hash !== made.hash) throw new AppError({ code: 'conflict', what: 'prekey_set' });
    } else if (known && known.setId > made.setId) {
      throw new AppError({ code: 'conflict', what: 'prekey_set' });
    } else this.prekeys.set(deviceId, made);
    return this.prekeyStatus({ deviceId });
  }

  prekeyStatus({ deviceId }: { deviceId: DeviceId }): PrekeyStatus {
    const held = this.prekeys.get(deviceId);
    if (!held) return { setId: null, setHash: null, remaining: 0, notAfter: null };
    const { setId, hash: setHash, units, notAfter } = held;
    return { setId, setHash, remaining: units.length, notAfter };
  }

  claim(actor: Sender, { targets }: { targets: readonly DeviceRef[] }): ClaimResult[] {
    return targets.map((target): ClaimResult => {
      if (!this.isLive(target)) return { ...target, status: 'refused', reason: 'not_found' };
      const held = this.prekeys.get(target.deviceId);
      if (!held || held.notAfter <= this.#now()) return { ...target, status: 'refused', reason: 'no_keys' };
      const unit = held.units.shift() ?? null;
      const claimed = {
        type: 'prekeys.claimed',
        claimedBy: actor.accountId,
        remaining: held.units.length,
      } as const;
      this.#publish(target.deviceId, claimed);
      return { ...target, status: 'claimed', set: held.set, unit };
    });
  }

  // ---- Mailbox

  #post(actor: Sender, packets: readonly OutgoingPacket[], createdAt: number): DeviceId[] {
    const gone: DeviceId[] = [];
    for (const { accountId, deviceId, bytes } of packets) {
      if (!this.isLive({ accountId, deviceId })) {
        gone.push(deviceId);
        continue;
      }
      const seq = ++this.#mailSeq;
      const from = { senderAccountId: actor.accountId, senderDeviceId: actor.deviceId };
      const packet: MailboxPacket = { seq, ...from, bytes, createdAt };
      this.mail.set(deviceId, [...(this.mail.get(deviceId) ?? []), packet]);
      this.#publish(deviceId, { type: 'mailbox.received', packet });
    }
    return gone;
  }

  #requireRoom(actor: Sender, packets: readonly OutgoingPacket[]): void {
    const full = packets
      .filter(({ deviceId }) => this.#isFull(deviceId, actor))
      .map(({ deviceId }) => deviceId);
    if (full.length > 0) throw new AppError({ code: 'mailbox_full', devices: full });
  }

  #isFull(deviceId: DeviceId, actor: Sender): boolean {
    const queue = this.mail.get(deviceId) ?? [];
    const own = queue.filter((packet) => packet.senderDeviceId === actor.deviceId);
    return own.length >= limits.mailboxPerSender || queue.length >= limits.mailboxPackets;
  }

  sendPackets(actor: Sender, { packets }: { packets: readonly OutgoingPacket[] }): { gone: DeviceId[] } {
    this.#requireRoom(actor, packets);
    return { gone: this.#post(actor, packets, this.#now()) };
  }

  pull({ deviceId }: Sender, { after }: { after: number }): MailboxPacket[] {
    return (this.mail.get(deviceId) ?? []).filter(({ seq }) => seq > after).slice(0, limits.mailboxPage);
  }

  ack({ deviceId }: Sender, { seqs }: { seqs: readonly number[] }): void {
    const done = new Set(seqs);
    this.mail.set(
      deviceId,
      (this.mail.get(deviceId) ?? []).filter(({ seq }) => !done.has(seq)),
    );
  }

  // ---- Messages

  send(actor: Sender, input: Send): SendAck {
    const view = parseEnvelopeHeader(fromBase64Url(input.envelope));
    const channel = this.#readable(actor, bytesToUuid(view.channelId) as ChannelId);
    if (!this.isLive(actor)) throw notFound();
    const eventId = bytesToUuid(view.eventId) as ChannelEvent['eventId'];
    const known = channel.log.find((event) => event.eventId === eventId);
    if (known) {
      if (known.envelope !== input.envelope || known.senderDeviceId !== actor.deviceId)
        throw new AppError({ code: 'conflict', what: 'eventId' });
      return ackOf(known, channel);
    }
    if (view.epoch !== channel.epoch) throw new AppError({ code: 'stale_epoch', epoch: channel.epoch });
    if (channel.kind === 'dm') this.#requireDmDevices(actor, channel, input.dmDevices ?? []);
    this.#requireRoom(actor, input.packets);
    const at = Math.max(this.#now(), channel.log.at(-1)?.createdAt ?? 0);
    if (input.chainCert !== undefined && view.chain) {
      const chainId = toBase64Url(view.chain.chainId);
      if (!channel.certs.has(chainId)) channel.certs.set(chainId, input.chainCert);
    }
    const seq = channel.log.length + 1;
    const event: ChannelEvent = {
      channelId: channel.channelId,
      seq,
      eventId,
      class: view.class as EventClass,
      ordinal: seq,
      senderAccountId: actor.accountId,
      senderDeviceId: actor.deviceId,
      refId: null,
      epoch: view.epoch,
      envelope: input.envelope,
      stub: null,
      frankTag: null,
      createdAt: at,
    };
    channel.log.push(event);
    this.#post(actor, input.packets, at);
    this.#onStored({ event, readers: new Set(channel.readers) });
    const chainCert = input.chainCert ?? null;
    this.#toReaders(channel, { type: 'event.appended', event, chainCert, mentions: [] });
    return ackOf(event, channel);
  }

  #requireDmDevices(actor: Sender, channel: Channel, given: readonly DeviceRef[]): void {
    const settledBefore = this.#now() - limits.newDeviceMs;
    const others: (DeviceRef & { isDue: boolean })[] = [];
    for (const accountId of channel.readers)
      for (const deviceId of this.liveDevices(accountId)) {
        const { createdAt } = this.account(accountId).devices.get(deviceId)!;
        const isDue = createdAt > settledBefore || (this.prekeys.get(deviceId)?.notAfter ?? 0) > this.#now();
        if (deviceId !== actor.deviceId) others.push({ accountId, deviceId, isDue });
      }
    const gone = given.filter((ref) => !others.some(({ deviceId }) => deviceId === ref.deviceId));
    const missing = others.filter(
      (ref) =>
        ref.isDue &&
        !given.some(({ deviceId }) => deviceId === ref.deviceId) &&
        !this.#isFull(ref.deviceId, actor),
    );
    if (missing.length + gone.length > 0) throw new AppError({ code: 'stale_devices', missing, gone });
  }

  page(actor: Sender, input: { channelId: ChannelId; before?: number; limit: number }): MessagePage {
    const { log, certs } = this.#readable(actor, input.channelId);
    const older = log.slice(0, (input.before ?? log.length + 1) - 1);
    const messages = older.slice(-input.limit);
    const hasMore = older.length > messages.length;
    const chainCerts = certsOf(messages, certs);
    return { messages, related: [], truncated: [], chainCerts, hasMore, headSeq: log.length };
  }

  gap(actor: Sender, input: { channelId: ChannelId; fromSeq: number; toSeq: number }): GapPage {
    const { log, certs } = this.#readable(actor, input.channelId);
    const { fromSeq } = input;
    const toSeq = Math.min(input.toSeq, log.length, fromSeq + limits.gapEvents - 1);
    const events = log.slice(fromSeq - 1, Math.max(toSeq, fromSeq - 1));
    return { events, chainCerts: certsOf(events, certs), fromSeq, toSeq: Math.max(toSeq, fromSeq - 1) };
  }

  chainCerts(
    actor: Sender,
    input: { channelId: ChannelId; chainIds: readonly string[] },
  ): Record<string, string> {
    const { certs } = this.#readable(actor, input.channelId);
    return Object.fromEntries(input.chainIds.flatMap((id) => (certs.has(id) ? [[id, certs.get(id)!]] : [])));
  }

  // ---- Backup

  backupStatus({ accountId }: Sender): BackupStatus {
    const { version, entries, manifest } = this.account(accountId).backup;
    return { version, count: entries.length, manifest };
  }

  backupEntries({ accountId }: Sender, { from, to }: { from: number; to: number }): BackupPage {
    const { entries } = this.account(accountId).backup;
    if (from >= to || to > entries.length) throw notFound();
    const first = Math.max(from, to - 40);
    return { from: first, entries: entries.slice(first, to) };
  }

  backupAppend(
    { accountId }: Sender,
    input: { version: number; expectedCount: number; entries: readonly string[]; manifest: string },
  ): { count: number } {
    const { backup, state } = this.account(accountId);
    const isSame = backup.version === 0 || backup.version === input.version;
    if (backup.entries.length !== input.expectedCount || !isSame) throw conflict();
    const { aid, count } = parseBackupManifest(fromBase64Url(input.manifest));
    const isOwn = equalBytes(aid, state.aid);
    if (!isOwn || count !== input.expectedCount + input.entries.length)
      throw new AppError({ code: 'bad_proof', what: 'backup_manifest' });
    backup.version = input.version;
    backup.entries.push(...input.entries);
    backup.manifest = input.manifest;
    return { count };
  }
}

const conflict = (): AppError => new AppError({ code: 'conflict', what: 'backup' });

/** The manifest there is after a removal. */
function vouched(
  { backup, state, by }: Pick<Account, 'backup' | 'state'> & { by: DeviceId | undefined },
  { deviceId, reason }: Extract<LogEntry['body'], { op: 'revokeDevice' }>,
  vouching: Vouching | undefined,
): string | null {
  const { manifest: known, entries, version } = backup;
  if (!vouching || !('manifest' in vouching)) {
    const isTaken = reason === 'removed' || reason === 'lost';
    const isDue =
      isTaken && known !== null && equalBytes(parseBackupManifest(fromBase64Url(known)).deviceId, deviceId);
    if (!vouching && isDue) throw conflict();
    return known;
  }
  const signer = by && findDevice(state, uuidToBytes(by));
  if (!signer || signer.revokedAtSeq !== null) throw notFound();
  const { signingPub, deviceId: own } = signer.cert;
  const made = verifyBackupManifest(fromBase64Url(vouching.manifest), {
    aid: state.aid,
    deviceId: own,
    signingPub,
  });
  if (made.version < version || made.count < entries.length) throw conflict();
  const tree = appendLeaves(
    EMPTY_FRONTIER,
    entries.map((entry) => merkleLeaf(fromBase64Url(entry))),
  );
  if (made.count !== tree.count || !equalBytes(made.root, merkleRoot(tree)))
    throw new AppError({ code: 'bad_proof', what: 'backup_manifest' });
  return vouching.manifest;
}

const ackOf = (event: ChannelEvent, channel: Channel): SendAck => ({
  eventId: event.eventId,
  seq: event.seq,
  ordinal: event.ordinal,
  createdAt: event.createdAt,
  frankTag: '',
  devicesVersion: channel.devicesVersion,
});

/** Chain id (base64url) and position of a channel event; null for a direct message. */
export function chainOf(event: ChannelEvent): { chainId: string; iter: number } | null {
  const { chain } = parseEnvelopeHeader(fromBase64Url(event.envelope ?? ''));
  return chain ? { chainId: toBase64Url(chain.chainId), iter: chain.iter } : null;
}

function certsOf(
  events: readonly ChannelEvent[],
  certs: ReadonlyMap<string, string>,
): Record<string, string> {
  const named = new Set(events.flatMap((event) => chainOf(event)?.chainId ?? []));
  return Object.fromEntries([...named].flatMap((id) => (certs.has(id) ? [[id, certs.get(id)!]] : [])));
}
