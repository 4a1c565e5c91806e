// Presence by interest, in memory: who is connected here, who watches whom. Changes are coalesced for 2 s and go
// only to connections that watch the account; nobody hears of a whole community. Invisible reads as offline.
import type { Clock } from '../../platform/clock.ts';
import type { LiveConnection } from '../../platform/live-hub.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Presence, PresenceChoice, PresenceEntry } from '#shared/users.ts';
import type { ConnectionData } from '../../topics.ts';

export type Connection = LiveConnection<LiveEvent, ConnectionData>;

/** Hands an event to one connection. */
type Tell = (connection: Connection, event: LiveEvent) => void;

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
  readonly #watched = new Map<Connection, ReadonlySet<AccountId>>();
  readonly #bySocket = new WeakMap<object, Connection>();
  readonly #changed = new Set<AccountId>();

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
    if (person.connections.size === 0) this.#changed.add(accountId);
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
    const person = this.#people.get(accountId);
    if (!person || person.choice === choice) return;
    person.choice = choice;
    this.#changed.add(accountId);
  }

  /** What others see of an account. */
  presenceOf(accountId: AccountId): Presence {
    const person = this.#people.get(accountId);
    if (!person) return 'offline';
    return person.choice === 'invisible' ? 'offline' : person.choice;
  }

  /** Replaces what a connection watches and answers the present state. */
  watch(connection: Connection, accountIds: readonly AccountId[]): PresenceEntry[] {
    for (const id of this.#watched.get(connection) ?? []) {
      const watchers = this.#watchers.get(id);
      watchers?.delete(connection);
      if (watchers?.size === 0) this.#watchers.delete(id);
    }
    const wanted = new Set(accountIds);
    this.#watched.set(connection, wanted);
    for (const id of wanted) {
      const watchers = this.#watchers.get(id) ?? new Set();
      this.#watchers.set(id, watchers.add(connection));
    }
    return [...wanted].map((accountId) => ({ accountId, presence: this.presenceOf(accountId) }));
  }

  /** Ends graces that ran out and tells watchers what changed since the last call. */
  flush(): void {
    this.#expire();
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
      this.#changed.add(accountId);
    }
  }

  /** Flushes every 2 s until the returned function is called. */
  start(): () => void {
    const timer = setInterval(() => this.flush(), limits.presenceCoalesceMs).unref();
    return () => clearInterval(timer);
  }
}
