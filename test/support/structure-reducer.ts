// The client's own reducer for the law "old state + events = fresh state", and the form in which two states compare.
import type { CommunityStructure } from '#shared/communities.ts';

export { reduceStructure, type Reduced } from '#client/sync/structure-reducer.ts';

/** The same whatever the order things arrived in. */
export function normalised(s: CommunityStructure): CommunityStructure {
  const key = (value: unknown): string => JSON.stringify(value);
  const sorted = <T>(list: readonly T[]): T[] => [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const inOrder = (value: object): object => Object.fromEntries(Object.entries(value).sort());
  const all = <T extends object>(list: readonly T[]): T[] => sorted(list.map((item) => inOrder(item) as T));
  return {
    ...s,
    groups: all(s.groups),
    channels: all(s.channels),
    roles: all(s.roles),
    overrides: all(s.overrides),
    own: { ...s.own, roleIds: [...s.own.roleIds].sort() },
  };
}
