// Presence by interest, in memory: who is connected here or on another node, who watches whom. Changes are coalesced
// for 2 s and go only to connections that watch the account; nobody hears of a whole community. Invisible reads as
// offline. Other nodes are told who is here.
import type { Clock } from '../../platform/clock.ts';
import type { LiveConnection } from '../../platform/live-hub.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Presence, PresenceChoice, PresenceEntry } from '#shared/users.ts';
import type { ConnectionData } from '../../topics.ts';
import { PresenceElsewhere, type PresentEntry } from './presence-elsewhere.ts';

export type Connection = LiveConnection<LiveEvent, ConnectionData>;

/** Hands an event to one connection. */
type Tell = (connection: Connection, event: LiveEvent) => void;

/** One connection's interest in one account. */
export interface Watch {
  readonly connection: Connection;
  readonly accountId: AccountId;
}

/** Tells the other nodes. */
export interface PresenceAnnouncer {
  /** Who is here now or no more. */
  present(entries: readonly PresentEntry[]): void;
  chose(accountId: AccountId, choice: PresenceChoice): void;
}

interface Person {
  readonly connections: Set<Connection>;
  choice: PresenceChoice;
  /** When the last connection went; the person reads as offline 30 s later. */
  goneAt: number | null;
}

export class PresenceRegistry {
  readonly #clock: Clock;
  readonly #tell: Tell;
  readonly #people = new Map<AccountId, Person>();
  readonly #watchers = new Map<AccountId, Set<Connection>>();
  readonly #watched = new Map<Connection, Set<AccountId>>();
  readonly #bySocket = new WeakMap<object, Connection>();
  readonly #changed = new Set<AccountId>();
  readonly #elsewhere = new PresenceElsewhere();
  /** Changed here since other nodes were told. */
  readonly #news = new Set<AccountId>();
  #announcer: PresenceAnnouncer | null = null;

  constructor(clock: Clock, tell: Tell) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** A live subscription opened on this socket. */
  arrive(socket: object, connection: Connection, choice: PresenceChoice): void {
    const { accountId } = connection.data;
    this.#bySocket.set(socket, connection);
    const person = this.#people.get(accountId) ?? { connections: new Set(), choice, goneAt: null };
    this.#people.set(accountId, person);
    if (person.connections.size === 0 || person.choice !== choice) this.#noteHere(accountId);
    person.connections.add(connection);
    person.choice = choice;
    person.goneAt = null;
  }

  /** The subscription ended: it watches nobody, and its person goes offline after the grace. */
  leave(connection: Connection): void {
    this.watch(connection, []);
    this.#watched.delete(connection);
    const person = this.#people.get(connection.data.accountId);
    if (!person?.connections.delete(connection)) return;
    if (person.connections.size === 0) person.goneAt = this.#clock.now();
  }

  connectionOf(socket: object): Connection | null {
    return this.#bySocket.get(socket) ?? null;
  }

  choose(accountId: AccountId, choice: PresenceChoice): void {
    this.heardChoice(accountId, choice);
    this.#announcer?.chose(accountId, choice);
  }

  /** The choice was made here or on another node: it counts wherever the account is connected. */
  heardChoice(accountId: AccountId, choice: PresenceChoice): void {
    const person = this.#people.get(accountId);
    const isNews = this.#elsewhere.choose(accountId, choice) || (person && person.choice !== choice);
    if (person) person.choice = choice;
    if (isNews) this.#changed.add(accountId);
  }

  announceTo(announcer: PresenceAnnouncer): void {
    this.#announcer = announcer;
  }

  /** Everybody who is here, for a node that does not know. */
  here(): PresentEntry[] {
    return [...this.#people].map(([accountId, { choice }]) => [accountId, choice]);
  }

  /** Another node says who is there; `isWhole`: and nobody else. */
  heardFrom(nodeId: string, entries: readonly PresentEntry[], isWhole: boolean): void {
    for (const accountId of this.#elsewhere.apply(nodeId, entries, isWhole)) this.#changed.add(accountId);
  }

  /** The node is gone, and who was there with it. */
  lostNode(nodeId: string): void {
    this.heardFrom(nodeId, [], true);
  }

  /** What others see of an account. */
  presenceOf(accountId: AccountId): Presence {
    const choice = this.#people.get(accountId)?.choice ?? this.#elsewhere.choiceOf(accountId);
    return choice === null || choice === 'invisible' ? 'offline' : choice;
  }

  /** Replaces what a connection watches and answers the present state. */
  watch(connection: Connection, accountIds: readonly AccountId[]): PresenceEntry[] {
    const former = this.#watched.get(connection) ?? [];
    for (const accountId of former) this.#forget({ connection, accountId });
    const wanted = [...new Set(accountIds)];
    this.#watched.set(connection, new Set());
    for (const accountId of wanted) this.#note({ connection, accountId });
    return wanted.map((accountId) => ({ accountId, presence: this.presenceOf(accountId) }));
  }

  /** Ends at once what this account watches and who watches it; the caller resumes what is still allowed. */
  part(accountId: AccountId): Watch[] {
    const own = [...(this.#people.get(accountId)?.connections ?? [])].flatMap((connection) =>
      [...(this.#watched.get(connection) ?? [])].map((other) => ({ connection, accountId: other })),
    );
    const others = [...(this.#watchers.get(accountId) ?? [])].map((connection) => ({
      connection,
      accountId,
    }));
    const parted = [...own, ...others];
    for (const watch of parted) this.#forget(watch);
    return parted;
  }

  /** Takes parted watches up again; the watched are told anew, as a change may have fallen between. */
  resume(watches: readonly Watch[]): void {
    for (const watch of watches) {
      if (!watch.connection.isOpen) continue;
      this.#note(watch);
      this.#changed.add(watch.accountId);
    }
  }

  #note({ connection, accountId }: Watch): void {
    const watched = this.#watched.get(connection) ?? new Set();
    this.#watched.set(connection, watched.add(accountId));
    const watchers = this.#watchers.get(accountId) ?? new Set();
    this.#watchers.set(accountId, watchers.add(connection));
  }

  #forget({ connection, accountId }: Watch): void {
    this.#watched.get(connection)?.delete(accountId);
    const watchers = this.#watchers.get(accountId);
    watchers?.delete(connection);
    if (watchers?.size === 0) this.#watchers.delete(accountId);
  }

  /** Ends graces that ran out and tells watchers what changed since the last call. */
  flush(): void {
    this.#expire();
    this.#announce();
    const news = new Map<Connection, PresenceEntry[]>();
    for (const accountId of this.#changed) {
      const entry = { accountId, presence: this.presenceOf(accountId) };
      for (const watcher of this.#watchers.get(accountId) ?? []) {
        const entries = news.get(watcher);
        if (entries) entries.push(entry);
        else news.set(watcher, [entry]);
      }
    }
    this.#changed.clear();
    for (const [connection, entries] of news) this.#tell(connection, { type: 'presence.changed', entries });
  }

  #expire(): void {
    const over = this.#clock.now() - limits.offlineGraceMs;
    for (const [accountId, person] of this.#people) {
      if (person.goneAt === null || person.goneAt > over) continue;
      this.#people.delete(accountId);
      this.#noteHere(accountId);
    }
  }

  #noteHere(accountId: AccountId): void {
    this.#changed.add(accountId);
    if (this.#announcer) this.#news.add(accountId);
  }

  #announce(): void {
    if (this.#news.size === 0) return;
    this.#announcer?.present(
      [...this.#news].map((accountId) => [accountId, this.#people.get(accountId)?.choice ?? null]),
    );
    this.#news.clear();
  }

  /** Flushes every 2 s until the returned function is called. */
  start(): () => void {
    const timer = setInterval(() => this.flush(), limits.presenceCoalesceMs).unref();
    return () => clearInterval(timer);
  }
}
