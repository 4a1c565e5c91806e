// Bytes that many sockets share: each event is serialised and framed once, and connections whose turn carries the
// same sequence of events also share the joined buffer of that sequence.
import { dataMessage, serialiseEvent } from './live-codec.ts';

/** The operation id whose frames are shared: a client's first operation (architecture §6, "Live path"). */
export const SHARED_OPERATION = 1;

const FIN_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** An unmasked, unfragmented text frame (RFC 6455 §5.2) around `payload`. */
export function textFrame(payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  const headerBytes = length < LENGTH_16 ? 2 : length <= 0xffff ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerBytes + length);
  frame[0] = FIN_TEXT;
  if (headerBytes === 2) frame[1] = length;
  else if (headerBytes === 4) {
    frame[1] = LENGTH_16;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_64;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(payload, headerBytes, 'utf8');
  return frame;
}

/** One published event; serialised when the first connection needs it. */
export class SharedEvent<E> {
  readonly event: E;
  #frame: Buffer | null = null;

  constructor(event: E) {
    this.event = event;
  }

  get frame(): Buffer {
    return (this.#frame ??= textFrame(dataMessage(SHARED_OPERATION, serialiseEvent(this.event))));
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
