// Bytes that many sockets share: each event is serialised and framed once, and connections whose turn carries the
// same sequence of events also share the joined buffer of that sequence. An event has a frame of each form that
// somebody reads: JSON, and compact for those who asked (decision 0035).
import { FRAMES_PARAMETER, FRAMES_VERSION, SHARED_OPERATION } from '#shared/live-frame.ts';
import { dataMessage, serialiseEvent } from './live-codec.ts';

/** How a connection reads its events: all as JSON, or those that have a compact frame as that. */
export type LiveForm = 'json' | 'compact';

/** The form that a socket's address (`/trpc?…`) asks for; JSON for versions this server does not speak. */
export function formAsked(url: string | undefined): LiveForm {
  const { searchParams } = new URL(url ?? '/', 'http://localhost');
  return searchParams.get(FRAMES_PARAMETER) === String(FRAMES_VERSION) ? 'compact' : 'json';
}

const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** An unmasked, unfragmented frame (RFC 6455 §5.2): a string as text, bytes as binary. */
function frameAround(payload: string | Uint8Array): Buffer {
  const length = Buffer.byteLength(payload);
  const headerBytes = length < LENGTH_16 ? 2 : length <= 0xffff ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerBytes + length);
  frame[0] = typeof payload === 'string' ? FIN_TEXT : FIN_BINARY;
  if (headerBytes === 2) frame[1] = length;
  else if (headerBytes === 4) {
    frame[1] = LENGTH_16;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_64;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  if (typeof payload === 'string') frame.write(payload, headerBytes, 'utf8');
  else frame.set(payload, headerBytes);
  return frame;
}

/** The compact frame's payload of an event; null for events that only JSON carries. */
export type Compactor<E> = (event: E) => Uint8Array | null;

/** One published event; put into a form when the first connection needs it. */
export class SharedEvent<E> {
  readonly event: E;
  readonly #compactor: Compactor<E>;
  #json: Buffer | null = null;
  #compact: Buffer | null = null;

  constructor(event: E, compactor: Compactor<E>) {
    this.event = event;
    this.#compactor = compactor;
  }

  /** The same buffer for everybody who reads this form; and in both where the event has no compact frame. */
  frame(form: LiveForm): Buffer {
    if (form === 'compact') return (this.#compact ??= this.#makeCompact());
    return (this.#json ??= frameAround(dataMessage(SHARED_OPERATION, serialiseEvent(this.event))));
  }

  #makeCompact(): Buffer {
    const payload = this.#compactor(this.event);
    return payload ? frameAround(payload) : this.frame('json');
  }
}

/**
 * A sequence of frames as a path from the root of a tree that lives for one turn of the event loop. Connections
 * that received the same events stand on the same node and write the same buffer.
 */
export class FrameSequence {
  readonly #parent: FrameSequence | null;
  readonly #frame: Buffer | null;
  #next: Map<Buffer, FrameSequence> | null = null;
  /** The child asked for last: in a fan-out hundreds of connections ask for the same one. */
  #latest: FrameSequence | null = null;
  #joined: Buffer | null = null;

  constructor(parent: FrameSequence | null = null, frame: Buffer | null = null) {
    this.#parent = parent;
    this.#frame = frame;
  }

  /** This sequence with one more frame. */
  with(frame: Buffer): FrameSequence {
    const latest = this.#latest;
    if (latest !== null && latest.#frame === frame) return latest;
    const children = (this.#next ??= new Map<Buffer, FrameSequence>());
    const known = children.get(frame);
    if (known) return (this.#latest = known);
    const child = new FrameSequence(this, frame);
    children.set(frame, child);
    return (this.#latest = child);
  }

  /** All frames, joined once for everybody. */
  get bytes(): Buffer {
    if (this.#joined) return this.#joined;
    const frames: Buffer[] = this.#frame ? [this.#frame] : [];
    for (let node = this.#parent; node !== null; node = node.#parent)
      if (node.#frame) frames.push(node.#frame);
    const [only] = frames;
    return (this.#joined = frames.length === 1 && only ? only : Buffer.concat(frames.reverse()));
  }
}
