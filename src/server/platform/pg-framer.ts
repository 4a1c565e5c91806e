// Splits a stream of PostgreSQL frontend bytes into batches that end where the backend must answer, so that PGlite
// is entered once per round trip (protocol 3.0, "Message Formats").

const HEADER_BYTES = 5;
/** Message types after which the client waits for the server: Sync, simple Query, Flush, Terminate. */
const ENDS_BATCH = new Set(['S', 'Q', 'H', 'X'].map((type) => type.charCodeAt(0)));

export class FrontendFramer {
  #pending: Uint8Array = new Uint8Array(0);
  /** The first message of a connection (startup) has no type byte. */
  #started = false;

  /** Returns the complete batches that `chunk` finishes. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const batches: Uint8Array[] = [];
    let offset = 0;
    let start = 0;
    for (;;) {
      const length = this.#messageLength(offset);
      if (length === null || offset + length > this.#pending.length) break;
      const type = this.#pending[offset] ?? 0;
      offset += length;
      if (!this.#started || ENDS_BATCH.has(type)) {
        batches.push(this.#pending.subarray(start, offset));
        start = offset;
      }
      this.#started = true;
    }
    this.#pending = this.#pending.subarray(start);
    return batches;
  }

  /** Length in bytes of the message at `offset`, or null while its header is incomplete. */
  #messageLength(offset: number): number | null {
    const typeBytes = this.#started ? 1 : 0;
    if (this.#pending.length - offset < HEADER_BYTES) return null;
    const view = new DataView(this.#pending.buffer, this.#pending.byteOffset, this.#pending.byteLength);
    return typeBytes + view.getUint32(offset + typeBytes);
  }
}
