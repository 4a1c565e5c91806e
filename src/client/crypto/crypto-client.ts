// The crypto worker as the rest of the client sees it. The leader tab owns the worker; other tabs ask the leader over
// a BroadcastChannel, so two tabs never advance one ratchet. Calls wait while leadership changes hands.
import workerUrl from './crypto.worker.ts?worker&url';
import { scriptUrl } from '#client/lib/trusted-types.ts';
import type { AccountId } from '#shared/ids.ts';
import type { CryptoAnswer, CryptoApi, CryptoCall } from './protocol.ts';

// The rules of the timeline hold no keys and run in the page; this file is the folder's one door.
export {
  applyToTimeline,
  emptyTimeline,
  messageState,
  nextRev,
  type MessageState,
  type Timeline,
} from './timeline.ts';

/** A failure of the engine: a code, nothing else. */
export class CryptoCallError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.name = 'CryptoCallError';
    this.code = code;
  }
}

type Message =
  | { readonly kind: 'call'; readonly from: string; readonly call: CryptoCall }
  | { readonly kind: 'answer'; readonly to: string; readonly answer: CryptoAnswer }
  | { readonly kind: 'leader' }
  | { readonly kind: 'leader?' };

interface Waiting {
  readonly call: CryptoCall;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: CryptoCallError) => void;
}

export interface CryptoClient {
  readonly api: CryptoApi;
  /** Becomes true in this tab when it is the leader; calls `lead` once. */
  readonly leading: Promise<void>;
  /** Which account this tab works for: a tab that becomes leader opens it before it serves anybody. */
  use(accountId: AccountId | null): void;
  close(): void;
}

class Connection {
  readonly #me = crypto.randomUUID();
  readonly #channel = new BroadcastChannel('chatalot-crypto');
  readonly #waiting = new Map<number, Waiting>();
  readonly #forOthers = new Map<number, { to: string; id: number }>();
  #worker: Worker | null = null;
  /** The worker has opened the account and takes calls. */
  #isServing = false;
  #nextId = 1;
  accountId: AccountId | null = null;

  constructor() {
    this.#channel.addEventListener('message', (event: MessageEvent<Message>) => this.#hear(event.data));
  }

  /** This tab has the lock: it hosts the worker and serves the others. */
  async lead(): Promise<void> {
    const worker = new Worker(scriptUrl(workerUrl), { type: 'module', name: 'crypto' });
    worker.addEventListener('message', (event: MessageEvent<CryptoAnswer>) => this.#answered(event.data));
    this.#worker = worker;
    if (this.accountId !== null) await this.#open(worker, this.accountId);
    this.#isServing = true;
    this.#tell({ kind: 'leader' });
    this.#resend();
  }

  /** The engine of a former leader had the account open; this one's must, before any other call reaches it. */
  #open(worker: Worker, accountId: AccountId): Promise<unknown> {
    const call: CryptoCall = { id: this.#nextId++, method: 'open', input: { accountId } };
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { call, resolve, reject });
      worker.postMessage(call);
    });
  }

  call(method: keyof CryptoApi, input: unknown): Promise<unknown> {
    const call = { id: this.#nextId++, method, input };
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { call, resolve, reject });
      this.#send(call);
    });
  }

  close(): void {
    this.#worker?.terminate();
    this.#channel.close();
  }

  #tell(message: Message): void {
    this.#channel.postMessage(message);
  }

  #send(call: CryptoCall): void {
    if (this.#worker) {
      if (this.#isServing) this.#worker.postMessage(call);
    } else this.#tell({ kind: 'call', from: this.#me, call });
  }

  /** What a former leader did not answer is asked again: every call of the engine may be repeated. */
  #resend(): void {
    for (const { call } of this.#waiting.values()) this.#send(call);
  }

  #hear(message: Message): void {
    if (message.kind === 'leader' && !this.#worker) this.#resend();
    else if (message.kind === 'call' && this.#worker && this.#isServing) {
      const id = this.#nextId++;
      this.#forOthers.set(id, { to: message.from, id: message.call.id });
      this.#worker.postMessage({ ...message.call, id });
    } else if (message.kind === 'answer' && message.to === this.#me) this.#settle(message.answer);
  }

  #answered(answer: CryptoAnswer): void {
    const other = this.#forOthers.get(answer.id);
    if (!other) return this.#settle(answer);
    this.#forOthers.delete(answer.id);
    this.#tell({ kind: 'answer', to: other.to, answer: { ...answer, id: other.id } });
  }

  #settle(answer: CryptoAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    this.#waiting.delete(answer.id);
    if (answer.ok) waiting.resolve(answer.value);
    else waiting.reject(new CryptoCallError(answer.code));
  }
}

/** One per tab. The leader is whoever holds the Web Lock; when its tab closes, the next in line takes over. */
export function openCrypto(): CryptoClient {
  const connection = new Connection();
  const closing = new AbortController();
  const leading = new Promise<void>((resolve) => {
    const hold = async (): Promise<void> => {
      await connection.lead();
      resolve();
      await new Promise<void>((release) => closing.signal.addEventListener('abort', () => release()));
    };
    const request = navigator.locks.request('chatalot-leader', { signal: closing.signal }, hold);
    request.catch((error: unknown) => {
      if (!closing.signal.aborted) throw error;
    });
  });
  const api = new Proxy({} as CryptoApi, {
    get: (_target, method: string) =>
      method === 'then' ? undefined : (input: unknown) => connection.call(method as keyof CryptoApi, input),
  });
  const close = (): void => {
    closing.abort();
    connection.close();
  };
  const use = (accountId: AccountId | null): void => {
    connection.accountId = accountId;
  };
  return { api, leading, use, close };
}
