// The Merkle tree over backup entries: shape of RFC 6962, appendable, foldable in parts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, toHex, utf8 } from '#crypto/bytes.ts';
import {
  appendLeaves,
  decodeFrontier,
  EMPTY_FRONTIER,
  encodeFrontier,
  foldLeaves,
  growFrontier,
  merkleLeaf,
  merkleRoot,
} from '#crypto/merkle.ts';
import { H } from '#crypto/primitives.ts';
import { expectCode } from '../support/expect-code.ts';

const leaves = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => merkleLeaf(utf8(`entry ${i}`)));

/** RFC 6962 section 2.1, written down as it stands there. */
function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0]!;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return H(utf8('cl1/backup/node'), rootOf(hashes.slice(0, k)), rootOf(hashes.slice(k)));
}

describe('merkle tree', () => {
  it('has the root RFC 6962 defines, for every size up to 70', () => {
    for (let n = 1; n <= 70; n++) {
      const all = leaves(n);
      expect(toHex(merkleRoot(appendLeaves(EMPTY_FRONTIER, all)))).toBe(toHex(rootOf(all)));
    }
  });

  it('a tree put together from parts is the tree grown leaf by leaf', () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), cuts, (count, at) => {
        const all = leaves(count);
        const bounds = [...new Set([0, ...at.filter((x) => x < count), count])].sort((a, b) => a - b);
        let tree = EMPTY_FRONTIER;
        bounds.slice(1).forEach((end, i) => {
          const start = bounds[i]!;
          for (const node of foldLeaves(start, all.slice(start, end))) tree = growFrontier(tree, node);
        });
        expect(tree).toEqual(appendLeaves(EMPTY_FRONTIER, all));
        expect(decodeFrontier(tree.count, encodeFrontier(tree))).toEqual(tree);
      }),
    );
  });

  it('folds a part into few subtrees', () => {
    expect(foldLeaves(0, leaves(256))).toHaveLength(1);
    expect(foldLeaves(1, leaves(255)).length).toBeLessThanOrEqual(8);
  });

  it('refuses a subtree where it does not fit, and a frontier of another size', () => {
    const [three, pair] = [appendLeaves(EMPTY_FRONTIER, leaves(3)), foldLeaves(0, leaves(2))[0]!];
    expectCode('mismatch', () => growFrontier(three, pair));
    expectCode('malformed', () => decodeFrontier(4, encodeFrontier(three)));
    expectCode('limit', () => decodeFrontier(2 ** 21, encodeFrontier(three)));
    expectCode('limit', () => growFrontier({ count: 2 ** 20, hashes: [H()] }, { level: 0, hash: H() }));
    expectCode('malformed', () => merkleRoot(EMPTY_FRONTIER));
  });

  it('A85 an inner node is no leaf, and the order of leaves counts', () => {
    const [a, b] = leaves(2) as [Uint8Array, Uint8Array];
    const inner = merkleRoot(appendLeaves(EMPTY_FRONTIER, [a, b]));
    expect(toHex(merkleLeaf(concat(a, b)))).not.toBe(toHex(inner));
    expect(toHex(merkleRoot(appendLeaves(EMPTY_FRONTIER, [b, a])))).not.toBe(toHex(inner));
  });
});
