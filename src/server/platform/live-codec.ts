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

/** Whether JSON alone carries `value` unchanged, so that superjson would have nothing to add: `{ json: value }`. */
function isPlainJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (Array.isArray(value)) return value.every(isPlainJson);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) if (!isPlainJson((value as Record<string, unknown>)[key])) return false;
  return true;
}

/** As superjson serialises, without its walk and its copy where they change nothing: nearly everywhere (0014). */
const serialise = (value: unknown): unknown =>
  isPlainJson(value) ? { json: value } : superjson.serialize(value);

interface Serialised {
  readonly json: unknown;
  readonly meta?: unknown;
}

const isUnannotated = (value: unknown): value is Serialised =>
  typeof value === 'object' && value !== null && 'json' in value && !('meta' in value);

/** The router's transformer: superjson, which lets a Bind through to the encoder. Clients use plain superjson. */
export const liveTransformer = {
  serialize: (value: unknown): unknown => (value instanceof Bind ? value : serialise(value)),
  deserialize: (value: unknown): unknown =>
    isUnannotated(value)
      ? value.json
      : superjson.deserialize(value as Parameters<typeof superjson.deserialize>[0]),
};

/** One event as the client's superjson reads it. */
export const serialiseEvent = (event: unknown): string => JSON.stringify(serialise(event));

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
