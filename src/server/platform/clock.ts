// Time as a collaborator: everything that asks for the time takes a Clock, so that tests can move it.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
