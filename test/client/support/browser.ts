// What a session needs of a browser, for tests without one: an origin with its cookies and storage, sockets, locks.
// The server at the other end is real, the crypto engine too; only key stretching is cheap (see exchange.ts).
import { request, type IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { createEngine } from '#client/crypto/engine.ts';
import { CryptoCallError, type CryptoClient } from '#client/crypto/crypto-client.ts';
import type { CryptoApi } from '#client/crypto/protocol.ts';
import { Session } from '#client/features/session/session.svelte.ts';
import { CryptoError, systemRng } from '#crypto/index.ts';
import { MemoryStore, type MemorySnapshot } from '#crypto/memory-store.ts';
import { quickKdf } from './exchange.ts';

/** Client tests resolve packages as a browser does, where `ws` is an empty shell. */
const { WebSocket } = createRequire(import.meta.url)(
  '../../../node_modules/ws/index.js',
) as typeof import('ws');

const BetweenTabs = globalThis.BroadcastChannel;

/** What a test may put between the browser and the server. */
export type Interceptor = (url: string, pass: () => Promise<Response>) => Promise<Response>;

/** The engine as its callers meet it behind the worker: failures are codes, nothing else. */
function acrossTheWorker(engine: CryptoApi): CryptoApi {
  return new Proxy(engine, {
    get: (target, method: keyof CryptoApi) => async (input: never) => {
      try {
        return await (target[method] as (given: never) => Promise<unknown>)(input);
      } catch (error) {
        throw new CryptoCallError(error instanceof CryptoError ? error.code : 'internal');
      }
    },
  });
}

let browsers = 0;

/** One after another, as the browser's locks do for all tabs. */
class Locks {
  #last: Promise<unknown> = Promise.resolve();

  request<T>(_name: string, run: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(run);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

export class Browser {
  readonly origin: string;
  /** Paths of every call, in order. */
  readonly calls: string[] = [];
  intercept: Interceptor = (_url, pass) => pass();
  readonly #cookies = new Map<string, string>();
  readonly #storage = new Map<string, string>();
  readonly #store = new MemoryStore();
  readonly #open: Session[] = [];
  /** Tabs hear those of their own browser only. */
  readonly #profile = `browser-${(browsers += 1)}`;
  readonly #forwarded: Readonly<Record<string, string>>;

  /** `address`: where a server that trusts loopback as its proxy sees this browser's calls come from. */
  constructor(origin: string, address?: string) {
    this.origin = origin;
    this.#forwarded = address === undefined ? {} : { 'x-forwarded-for': address };
  }

  /** A tab: takes over the globals, as if this browser's window were the one in front. One beside it may lead. */
  tab({ leads = true } = {}): Session {
    this.#install();
    const api = acrossTheWorker(createEngine({ store: this.#store, rng: systemRng, argon2: quickKdf }));
    const client: CryptoClient = {
      api,
      leading: leads ? Promise.resolve() : new Promise(() => undefined),
      use: () => undefined,
      close: () => undefined,
    };
    const session = new Session(client);
    this.#open.push(session);
    return session;
  }

  /** Records this browser keeps; 0 after everything was erased. */
  async recordCount(): Promise<number> {
    return (await this.#store.list('')).size;
  }

  /** The profile's records as a backup of it would hold them. */
  snapshot(): MemorySnapshot {
    return this.#store.snapshot();
  }

  restore(snapshot: MemorySnapshot): void {
    this.#store.restore(snapshot);
  }

  /** Loses every record of this kind, as a browser with a broken disk may. Answers how many there were. */
  async lose(kind: 'session'): Promise<number> {
    const lost = [...(await this.#store.list('')).keys()].filter((key) => key.split('/')[1] === kind);
    await this.#store.commit({ expect: [], put: [], remove: lost });
    return lost.length;
  }

  close(): void {
    for (const session of this.#open.splice(0)) session.workspace?.close();
  }

  #install(): void {
    const { origin } = this;
    const { happyDOM } = window as unknown as { happyDOM: { setURL(url: string): void } };
    happyDOM.setURL(origin);
    const storage = this.#storage;
    const locks = new Locks();
    const profile = this.#profile;
    const overrides = {
      BroadcastChannel: class extends BetweenTabs {
        constructor(name: string) {
          super(`${profile}/${name}`);
        }
      },
      fetch: (input: string, init?: RequestInit) => this.#fetch(input, init),
      localStorage: {
        getItem: (key: string) => storage.get(key) ?? null,
        setItem: (key: string, value: string) => void storage.set(key, value),
        removeItem: (key: string) => void storage.delete(key),
      },
      WebSocket: class extends WebSocket {
        constructor(url: string | URL) {
          super(url, { origin });
        }
      },
    };
    for (const [name, value] of Object.entries(overrides)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    Object.defineProperty(navigator, 'locks', { value: locks, configurable: true });
  }

  async #fetch(input: string, init: RequestInit = {}): Promise<Response> {
    const url = new URL(input, this.origin);
    this.calls.push(url.pathname.replace('/trpc/', ''));
    return this.intercept(url.href, () => this.#send(url, init));
  }

  /** By Node's own client: the environment's `fetch` lets nobody set an origin or see a cookie. */
  async #send(url: URL, init: RequestInit): Promise<Response> {
    const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ');
    const headers = {
      ...(init.headers as Record<string, string>),
      origin: this.origin,
      cookie,
      ...this.#forwarded,
    };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(url, { method: init.method ?? 'GET', headers }, resolve);
      call.on('error', reject);
      call.end(init.body as string | undefined);
    });
    for (const line of answer.headers['set-cookie'] ?? []) this.#take(line);
    let body = '';
    for await (const chunk of answer.setEncoding('utf8')) body += chunk as string;
    return new Response(body, {
      status: answer.statusCode ?? 0,
      headers: { 'content-type': 'application/json' },
    });
  }

  #take(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const [name = '', value = ''] = pair.split('=');
    if (attributes.includes('Max-Age=0')) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }
}
