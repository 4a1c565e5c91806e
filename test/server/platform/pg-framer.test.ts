// Frontend messages cut anywhere come out as the same batches.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrontendFramer } from '#server/platform/pg-framer.ts';

function message(type: string, body: string): Uint8Array {
  const bytes = Buffer.alloc(5 + body.length);
  bytes.write(type, 0);
  bytes.writeUInt32BE(4 + body.length, 1);
  bytes.write(body, 5);
  return bytes;
}
const startup = Uint8Array.from([0, 0, 0, 8, 0, 3, 0, 0]);
const parse = message('P', 'name\0SELECT 1\0');
const sync = message('S', '');
const query = message('Q', 'SELECT 1\0');

function batchesOf(chunks: readonly Uint8Array[]): string[] {
  const framer = new FrontendFramer();
  return chunks.flatMap((chunk) => framer.push(chunk)).map((batch) => Buffer.from(batch).toString('hex'));
}
const hex = (...parts: Uint8Array[]): string => Buffer.concat(parts).toString('hex');

describe('FrontendFramer', () => {
  it('ends a batch at startup, Sync, Query, Flush and Terminate only', () => {
    const flush = message('H', '');
    const end = message('X', '');
    const all = Buffer.concat([startup, parse, parse, sync, query, parse, flush, end]);
    const expected = [hex(startup), hex(parse, parse, sync), hex(query), hex(parse, flush), hex(end)];
    expect(batchesOf([all])).toEqual(expected);
  });

  it('does not depend on where the stream is cut', () => {
    const all = Buffer.concat([startup, query, parse, message('B', 'x'.repeat(300)), sync, query]);
    const expected = batchesOf([all]);
    expect(expected).toHaveLength(4);
    const cuts = fc.array(fc.nat(all.length), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, (points) => {
        const sorted = [0, ...points.sort((a, b) => a - b), all.length];
        const chunks = sorted.slice(1).map((to, at) => Uint8Array.from(all.subarray(sorted[at], to)));
        expect(batchesOf(chunks)).toEqual(expected);
      }),
    );
  });
});
