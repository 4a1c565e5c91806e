// A position in an account log as it is gossiped in every pairwise packet (protocol 3.2, P4).
import { equalBytes } from './bytes.ts';
import type { Reader, Writer } from './codec.ts';
import { HASH_BYTES } from './constants.ts';

/** seq of an entry and H(entry ‖ sig) of it. */
export interface LogHead {
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** logHead = seq u32 ‖ hash fixed[32]. */
export function writeLogHead(w: Writer, head: LogHead): void {
  w.u32(head.seq).fixed(head.hash, HASH_BYTES);
}

/** Reads what writeLogHead wrote. */
export function readLogHead(r: Reader): LogHead {
  return { seq: r.u32(), hash: r.fixed(HASH_BYTES) };
}

/** Whether two heads name the same entry. */
export function sameHead(a: LogHead, b: LogHead): boolean {
  return a.seq === b.seq && equalBytes(a.hash, b.hash);
}
