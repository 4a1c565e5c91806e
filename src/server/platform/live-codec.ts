// How live subscriptions share bytes inside tRPC. A subscription yields one Bind; the encoder, which alone learns
// the operation's id, hands that id to the connection, and from then on the hub writes ready-made frames itself.
// The stock client sees ordinary subscription data (contract test: live-contract.test.ts).
import type { Encoder } from '@trpc/server/adapters/ws';
import superjson from 'superjson';

/** Yielded once by a live subscription in place of its first event. */
export class Bind {
  readonly #attach: (operationId: unknown) => unknown;

  /** `attach` takes the id of the client's operation and returns the event to send as the first one. */
  constructor(attach: (operationId: unknown) => unknown) {
    this.#attach = attach;
  }

  attach(operationId: unknown): unknown {
    return this.#attach(operationId);
  }
}

/** The router's transformer: superjson, which lets a Bind through to the encoder. Clients use plain superjson. */
export const liveTransformer = {
  serialize: (value: unknown): unknown => (value instanceof Bind ? value : superjson.serialize(value)),
  deserialize: (value: unknown): unknown =>
    superjson.deserialize(value as Parameters<typeof superjson.deserialize>[0]),
};

/** One event as the client's superjson reads it. */
export const serialiseEvent = (event: unknown): string => JSON.stringify(superjson.serialize(event));

/** The message that delivers a serialised event to the operation `id`. */
export const dataMessage = (id: unknown, json: string): string =>
  `{"id":${JSON.stringify(id)},"result":{"type":"data","data":${json}}}`;

interface Outgoing {
  readonly id?: unknown;
  readonly result?: { readonly data?: unknown };
}

/** For `applyWSSHandler`: JSON, except that a Bind becomes the subscription's first event. */
export const liveEncoder: Encoder = {
  encode(message: unknown) {
    const { id, result } = message as Outgoing;
    if (result?.data instanceof Bind) return dataMessage(id, serialiseEvent(result.data.attach(id)));
    return JSON.stringify(message);
  },
  decode(data) {
    if (typeof data !== 'string') throw new TypeError('binary frames are not used');
    return JSON.parse(data) as unknown;
  },
};
