// Messages between the parts of the instance that share no memory once there is more than one node. In process it
// is a plain dispatcher; messages must survive being serialised, so that another transport can carry them.

export interface Bus<M extends Record<string, unknown>> {
  /** Hands `message` to every subscriber, in order of publication. */
  publish<K extends keyof M & string>(topic: K, message: M[K]): void;
  /** Returns what ends the subscription. */
  subscribe<K extends keyof M & string>(topic: K, handler: (message: M[K]) => void): () => void;
  close(): Promise<void>;
}

type Handler = (message: never) => void;

/** Delivers synchronously within this process; a handler that fails does not keep the others from the message. */
export class LocalBus<M extends Record<string, unknown>> implements Bus<M> {
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #onError: (cause: unknown) => void;

  constructor(options: { readonly onError: (cause: unknown) => void }) {
    this.#onError = options.onError;
  }

  publish<K extends keyof M & string>(topic: K, message: M[K]): void {
    for (const handler of [...(this.#handlers.get(topic) ?? [])]) {
      try {
        handler(message as never);
      } catch (cause) {
        this.#onError(cause);
      }
    }
  }

  subscribe<K extends keyof M & string>(topic: K, handler: (message: M[K]) => void): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    handlers.add(handler);
    return () => {
      handlers.delete(handler);
      if (handlers.size === 0) this.#handlers.delete(topic);
    };
  }

  async close(): Promise<void> {
    this.#handlers.clear();
  }
}
