// The part of the crypto worker's interface that is about leases (protocol 3.6): which state of its device this one is.

/** A claim as the server takes it: base64url, oldest first. */
export interface LeaseClaim {
  readonly epoch: string;
  readonly history: readonly string[];
}

export interface LeaseCalls {
  /**
   * Moves on to a new epoch; durable before it is answered, so that a crash right after is no other state. One the server
   * has not confirmed is answered again: being without it for long must not push out the epoch it knows.
   */
  nextLease(): Promise<LeaseClaim>;
  /** The epoch this device is at; null before the first. */
  lease(): Promise<LeaseClaim | null>;
  /** The server knows this epoch. */
  leaseHeld(input: { epoch: string }): Promise<void>;
}
