// The Merkle tree over backup entries (docs/protocol.md, Backup): the shape of RFC 6962, hashes with labels of our own.
// An append needs only the frontier, O(log n) hashes; a part of the tree is folded without the parts before it.
import { concat, utf8 } from './bytes.ts';
import { HASH_BYTES, MAX_BACKUP_ENTRIES } from './constants.ts';
import { ensure } from './errors.ts';
import { H } from './primitives.ts';

/** A complete subtree of 2^level leaves. */
export interface MerkleNode {
  readonly level: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** Everything a growing tree needs to remember: its complete subtrees, largest (leftmost) first. */
export interface Frontier {
  readonly count: number;
  /** One per set bit of `count`, the highest first. */
  readonly hashes: readonly Uint8Array[];
}

export const EMPTY_FRONTIER: Frontier = { count: 0, hashes: [] };

const LEAF = utf8('cl1/backup/leaf');
const NODE = utf8('cl1/backup/node');

/** Leaf of one entry: H("cl1/backup/leaf" ‖ entry). */
export function merkleLeaf(entry: Uint8Array): Uint8Array {
  return H(LEAF, entry);
}

const join = (left: Uint8Array, right: Uint8Array): Uint8Array => H(NODE, left, right);

/** The tree with one more complete subtree at its end. Throws `mismatch` where it cannot stand there, `limit`. */
export function growFrontier(frontier: Frontier, node: MerkleNode): Frontier {
  const size = 2 ** node.level;
  ensure(frontier.count % size === 0, 'mismatch', 'subtree does not fit here');
  const count = frontier.count + size;
  ensure(count <= MAX_BACKUP_ENTRIES, 'limit', 'backup entries');
  const hashes = [...frontier.hashes];
  let { hash } = node;
  for (let left = frontier.count / size; left % 2 === 1; left = (left - 1) / 2)
    hash = join(hashes.pop()!, hash);
  return { count, hashes: [...hashes, hash] };
}

/** The tree with these leaves added. */
export function appendLeaves(frontier: Frontier, leaves: readonly Uint8Array[]): Frontier {
  return leaves.reduce((grown, hash) => growFrontier(grown, { level: 0, hash }), frontier);
}

/** Folds the leaves at `start`, `start` + 1 … into the fewest complete subtrees, in order. */
export function foldLeaves(start: number, leaves: readonly Uint8Array[]): MerkleNode[] {
  const nodes: (MerkleNode & { at: number })[] = [];
  leaves.forEach((leaf, index) => {
    let node = { level: 0, hash: leaf, at: start + index };
    for (;;) {
      const left = nodes.at(-1);
      if (left?.level !== node.level || left.at % 2 ** (left.level + 1) !== 0) break;
      nodes.pop();
      node = { level: left.level + 1, hash: join(left.hash, node.hash), at: left.at };
    }
    nodes.push(node);
  });
  return nodes.map(({ level, hash }) => ({ level, hash }));
}

/** The tree's root, as RFC 6962 combines subtrees of unequal size. Throws `malformed` for an empty tree. */
export function merkleRoot({ hashes }: Frontier): Uint8Array {
  const last = hashes.at(-1);
  ensure(last !== undefined, 'malformed', 'root of nothing');
  return hashes.slice(0, -1).reduceRight((right, left) => join(left, right), last);
}

/** The hashes alone; the count says their sizes. */
export function encodeFrontier(frontier: Frontier): Uint8Array {
  return concat(...frontier.hashes);
}

/** Reads what encodeFrontier wrote. Throws `malformed` where the count asks for another number of hashes. */
export function decodeFrontier(count: number, bytes: Uint8Array): Frontier {
  ensure(Number.isInteger(count) && count >= 0 && count <= MAX_BACKUP_ENTRIES, 'limit', 'backup entries');
  const bits = count.toString(2).replaceAll('0', '').length;
  ensure(bytes.length === bits * HASH_BYTES, 'malformed', 'frontier length');
  const hashes = Array.from({ length: bits }, (_, i) => bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  return { count, hashes };
}
