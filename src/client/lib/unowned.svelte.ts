// State that outlives whoever asked for it first.

/**
 * Makes something that holds state, outside the reaction that happens to run. State made inside a reaction is not
 * tracked by it, and derived values made there die with it; things kept in a cache must not depend on who asked first.
 */
export function unowned<T>(make: () => T): T {
  const made: T[] = [];
  $effect.root(() => void made.push(make()));
  return made[0] as T;
}
