// Showing a recovery code in groups and checking what was typed back. The code itself is made in src/crypto.

const GROUP = 4;

/** Capitals, without spaces and dashes; letters that look like digits count as digits (Crockford base32). */
export const normalizeCode = (text: string): string =>
  text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');

/** Groups of four characters; the last may be shorter. */
export function groupCode(code: string): string[] {
  const bare = normalizeCode(code);
  const groups: string[] = [];
  for (let i = 0; i < bare.length; i += GROUP) groups.push(bare.slice(i, i + GROUP));
  return groups;
}

const randomBelow = (limit: number): number => {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value % limit;
};

/** `count` different positions out of `groupCount`, ascending. `below(n)` answers a random integer in [0, n). */
export function pickGroups(
  count: number,
  groupCount: number,
  below: (limit: number) => number = randomBelow,
): number[] {
  const left = Array.from({ length: groupCount }, (_, i) => i);
  const picked: number[] = [];
  while (picked.length < count && left.length > 0) {
    picked.push(...left.splice(below(left.length), 1));
  }
  return picked.sort((a, b) => a - b);
}
