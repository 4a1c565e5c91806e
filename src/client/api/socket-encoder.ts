// What the socket carries: JSON as tRPC has it, and compact frames, each of which becomes the message tRPC would have
// had as JSON. Nothing above notices the difference.
import type { Encoder } from '@trpc/client';
import { decodeLiveFrame, FRAMES_PARAMETER, FRAMES_VERSION, SHARED_OPERATION } from '#shared/live-frame.ts';

/** Appended to the socket's address: without it the server sends JSON only. */
export const compactFrames = `${FRAMES_PARAMETER}=${FRAMES_VERSION}`;

/** A message for no operation: tRPC's client passes over it. */
const NOTHING = { id: null, result: { type: 'stopped' } };

function read(data: string | ArrayBuffer | Uint8Array): unknown {
  if (typeof data === 'string') return JSON.parse(data) as unknown;
  const event = decodeLiveFrame(data instanceof Uint8Array ? data : new Uint8Array(data));
  // As superjson would have put it: an event without anything JSON alone could not carry.
  return { id: SHARED_OPERATION, result: { type: 'data', data: { json: event } } };
}

/**
 * `onBroken` hears of a frame that cannot be read. What it carried is lost, so the connection is to be given up: a
 * fresh one fills the gap. The frame itself has no effect, and no exception leaves this for the page to trip over.
 */
export const socketEncoder = (onBroken: () => void): Encoder => ({
  encode: (message) => JSON.stringify(message),
  decode(data) {
    try {
      return read(data);
    } catch {
      onBroken();
      return NOTHING;
    }
  },
});
