// A person with the real engine against a real server over HTTP and one WebSocket. Everything that crosses the wire, in
// both directions, is kept in `wire`.
import { createTRPCClient, createWSClient, httpLink, wsLink, type TRPCClient } from '@trpc/client';
import superjson from 'superjson';
import { WebSocket, type ClientOptions } from 'ws';
import { createEngine } from '#client/crypto/engine.ts';
import type { Content, ConversationRef, CryptoApi, DecryptResult } from '#client/crypto/protocol.ts';
import { bytesToUuid, systemRng, timeOrderedId, type Argon2id } from '#crypto/index.ts';
import { MemoryStore } from '#crypto/memory-store.ts';
import type { AppRouter } from '#server/router.ts';
import type { SessionGrant } from '#shared/auth.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, DeviceId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { EventClass, SendAck } from '#shared/messages.ts';
import { quickKdf } from './exchange.ts';

export type Api = TRPCClient<AppRouter>;

/** Where the server is, and what was seen between it and its clients. */
export interface Line {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly origin: string;
  readonly wire: string[];
}

export interface JoinOptions {
  readonly username: string;
  readonly setupToken?: string;
  readonly inviteCode?: string;
  /** Key stretching as a browser does it, where one is to log in later. */
  readonly argon2?: Argon2id;
}

function recordingSocket({ origin, wire }: Line): typeof globalThis.WebSocket {
  class Recording extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[] | ClientOptions) {
      super(address, protocols as string[], { origin });
      this.on('message', (data) => wire.push((data as Buffer).toString()));
    }

    override send(data: Parameters<WebSocket['send']>[0]): void {
      wire.push(data as string);
      super.send(data);
    }
  }
  return Recording as unknown as typeof globalThis.WebSocket;
}

function httpApi(line: Line, token: () => string | null): Api {
  return createTRPCClient<AppRouter>({
    links: [
      httpLink({
        url: `${line.url}/trpc`,
        transformer: superjson,
        methodOverride: 'POST',
        headers: () => {
          const bearer = token();
          return {
            origin: line.origin,
            'x-chatalot-refresh': '1',
            ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          };
        },
        fetch: async (input, init) => {
          line.wire.push((init?.body as string | undefined) ?? '');
          const response = await fetch(input, init);
          line.wire.push([...response.headers].join('\n'), await response.clone().text());
          return response;
        },
      }),
    ],
  });
}

const classOf = (content: Content): EventClass =>
  content.type === 'text' || content.type === 'unknown' ? 'message' : content.type;

function refOf(content: Content): EventId | null {
  if (content.type === 'text') return content.replyTo;
  return content.type === 'unknown' ? null : content.target;
}

export const text = (body: string, replyTo: EventId | null = null): Content => ({
  type: 'text',
  text: body,
  replyTo,
});

export class RealPerson {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly grant: SessionGrant;
  readonly engine: CryptoApi;
  /** What this device keeps, secrets included. */
  readonly store: MemoryStore;
  /** Over HTTP. */
  readonly http: Api;
  /** Over the socket. */
  readonly api: Api;
  readonly events: LiveEvent[] = [];
  /** How the socket closed, when it did. */
  readonly closed: Promise<number>;
  readonly #hangUp: () => Promise<void>;
  readonly #line: Line;

  private constructor(made: {
    grant: SessionGrant;
    deviceId: DeviceId;
    engine: CryptoApi;
    store: MemoryStore;
    line: Line;
  }) {
    const { grant, line } = made;
    this.#line = line;
    this.grant = grant;
    this.accountId = grant.accountId;
    this.deviceId = made.deviceId;
    this.engine = made.engine;
    this.store = made.store;
    this.http = httpApi(line, () => grant.accessToken);
    let seen: (code: number) => void = () => undefined;
    this.closed = new Promise((resolve) => (seen = resolve));
    const client = createWSClient({
      url: `${line.url.replace('http', 'ws')}/trpc`,
      WebSocket: recordingSocket(line),
      connectionParams: () => ({ token: grant.accessToken }),
      retryDelayMs: () => 3_600_000,
      onClose: (cause) => seen(cause?.code ?? 0),
    });
    this.api = createTRPCClient<AppRouter>({ links: [wsLink({ client, transformer: superjson })] });
    this.#hangUp = () => client.close();
  }

  /** Registers with real keys, attaches the device, publishes prekeys and opens the live subscription. */
  static async join(line: Line, options: JoinOptions): Promise<RealPerson> {
    const { username, setupToken, inviteCode, argon2 = quickKdf } = options;
    const store = new MemoryStore();
    const engine = createEngine({ store, rng: systemRng, argon2 });
    const account = await engine.prepareAccount({ password: `${username} password`, now: Date.now() });
    const { recoveryCode: _shown, ...wanted } = account;
    const signedOut = httpApi(line, () => null);
    const grant = await signedOut.auth.register.mutate({
      ...wanted,
      log: [...wanted.log],
      username,
      displayName: username,
      deviceLabel: 'Test browser',
      ...(inviteCode === undefined ? {} : { inviteCode }),
      ...(setupToken === undefined ? {} : { setup: { token: setupToken } }),
    });
    await engine.adopt();
    const person = new RealPerson({ grant, deviceId: account.deviceId, engine, store, line });
    await person.#attach();
    if (setupToken !== undefined)
      await person.http.instance.configure.mutate({ name: 'Test', registration: 'open' });
    await person.listen();
    return person;
  }

  async #attach(): Promise<void> {
    const { engine, http, deviceId, grant } = this;
    const { challenge } = await http.devices.challenge.mutate();
    const signature = await engine.signAttach({ sessionId: grant.sessionId, challenge });
    await http.devices.attach.mutate({ deviceId, signature });
    const status = await http.prekeys.status.query();
    const upload = await engine.preparePrekeys({ status, now: Date.now() });
    if (upload) await http.prekeys.publish.mutate({ set: upload.set, units: [...upload.units] });
    await engine.prekeysPublished();
  }

  /** Another socket of the same session and device, not listening yet. */
  anotherTab(): RealPerson {
    const { grant, deviceId, engine, store } = this;
    return new RealPerson({ grant, deviceId, engine, store, line: this.#line });
  }

  /** Opens the live subscription; resolves at its first event. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.api.live.events.subscribe(undefined, {
        onData: (event) => {
          this.events.push(event);
          if (event.type === 'live.opened') resolve();
        },
        onError: reject,
      });
    });
  }

  close(): Promise<void> {
    return this.#hangUp();
  }

  async conversation(channelId: ChannelId, kind: 'text' | 'dm' = 'text'): Promise<ConversationRef> {
    const { epoch, devicesVersion, accountIds } = await this.api.channels.readers.query({ channelId });
    return { channelId, kind, epoch, devicesVersion, readers: accountIds };
  }

  async #prepare(conversation: ConversationRef): Promise<void> {
    const now = Date.now();
    const first = await this.engine.missingKeys({ conversation, logsFresh: false, now });
    await this.#learnLogs(first.logs);
    const { bundles } = await this.engine.missingKeys({ conversation, logsFresh: true, now });
    if (bundles.length === 0) return;
    const claims = await this.api.prekeys.claim.mutate({ targets: [...bundles] });
    const refused = await this.engine.startSessions({ claims, now });
    if (refused.length > 0) throw new Error('a bundle did not verify');
  }

  async #learnLogs(accounts: readonly { accountId: AccountId; fromSeq: number }[]): Promise<void> {
    if (accounts.length === 0) return;
    const logs = await this.api.devices.logs.query({ accounts: [...accounts] });
    const { alarms } = await this.engine.ingestLogs({ logs, isMailTaken: true });
    if (alarms.length > 0) throw new Error(`identity alarm ${alarms[0]?.kind}`);
  }

  /** Encrypts and sends over the socket, under the channel as the server says it stands now. */
  async send(channelId: ChannelId, content: Content, kind: 'text' | 'dm' = 'text'): Promise<SendAck> {
    return this.sendUnder(await this.conversation(channelId, kind), content);
  }

  /** Encrypts and sends under a given state of the channel, stale or not. */
  async sendUnder(conversation: ConversationRef, content: Content): Promise<SendAck> {
    await this.#prepare(conversation);
    const { channelId } = conversation;
    const now = Date.now();
    const eventId = bytesToUuid(timeOrderedId(now, systemRng)) as EventId;
    const [eventClass, refId] = [classOf(content), refOf(content)];
    const input = { conversation, eventId, class: eventClass, content, refId, now };
    const sealed = await this.engine.encrypt(input);
    try {
      const ack = await this.api.messages.send.mutate({
        envelope: sealed.envelope,
        packets: [...sealed.packets],
        ...(sealed.chainCert === null ? {} : { chainCert: sealed.chainCert }),
        ...(sealed.dmDevices === null ? {} : { dmDevices: [...sealed.dmDevices] }),
      });
      await this.engine.acknowledge({ channelId, eventId });
      return ack;
    } catch (error) {
      await this.engine.abandon({ channelId, eventId });
      throw error;
    }
  }

  /** Looks at the own backup, then appends everything that waits. Answers how many entries there are. */
  async backUp(): Promise<number> {
    let step = await this.engine.compareBackup({ status: await this.api.backup.status.query() });
    while (step.state === 'behind') {
      const { version, from, to } = step;
      const page = await this.api.backup.entries.query({ version, from, to });
      step = await this.engine.takeBackup({ page });
    }
    for (;;) {
      const append = await this.engine.nextBackup({ now: Date.now() });
      if (!append) return (await this.engine.backupView()).count;
      const stored = await this.api.backup.append.mutate({ ...append, entries: [...append.entries] });
      await this.engine.backupStored(stored);
    }
  }

  /** Everything in the mailbox. */
  async collect(): Promise<void> {
    let packets = await this.api.mailbox.pull.query({ after: 0 });
    for (let round = 0; round < 4; round++) {
      const report = await this.engine.receivePackets({ packets, now: Date.now() });
      if (report.done.length > 0) await this.api.mailbox.ack.mutate({ seqs: [...report.done] });
      if (report.needLogs.length === 0) return;
      await this.#learnLogs(report.needLogs);
      packets = [];
    }
  }

  /** The whole log of a channel, opened. */
  async read(channelId: ChannelId, kind: 'text' | 'dm' = 'text'): Promise<readonly DecryptResult[]> {
    await this.collect();
    const { epoch, readers } = await this.conversation(channelId, kind);
    const input = { channelId, fromSeq: 1, toSeq: limits.gapEvents };
    const { events, chainCerts } = await this.api.messages.gap.query(input);
    const senders = [...new Set(events.map((event) => event.senderAccountId))];
    const accounts = senders.map((accountId) => ({ accountId }));
    await this.#learnLogs(await this.engine.logsNeeded({ accounts }));
    return this.engine.decrypt({
      channelId,
      kind,
      members: kind === 'dm' ? readers : null,
      epoch,
      events,
      chainCerts: Object.values(chainCerts),
      now: Date.now(),
    });
  }
}
