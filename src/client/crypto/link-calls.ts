// The part of the crypto worker's interface that links a device (protocol 3.3). One exchange at a time on either side,
// in memory only. The code is for the other device's eyes, the claim for the server, once; keys never come out.
import type { Vouching } from '#shared/devices.ts';
import type { AccountId } from '#shared/ids.ts';

/** Two numbers below 64: the pictures both screens must show. */
export type LinkEcho = readonly [number, number];

/** A removal as the server takes it: both or neither. */
export interface Removal {
  readonly entry: string;
  readonly backup?: Vouching;
}

export interface LinkCalls {
  // ---- On the new device
  /** What to show, as a QR code and as text; the mailbox's id for the server. A new offer forgets the one before. */
  linkOffer(): Promise<{ readonly mailboxId: string; readonly code: string }>;
  /** Somebody read the code: makes this device's keys and asks to be certified. Fails when they never saw the code. */
  linkRequest(input: {
    meeting: string;
    label: string;
    now: number;
  }): Promise<{ readonly request: string; readonly echo: LinkEcho }>;
  /** Certified: what the server wants to see for the log-in. */
  linkTake(input: {
    grant: string;
  }): Promise<{ readonly accountId: AccountId; readonly username: string; readonly claim: string }>;
  /** The account log as the server shows it; must be the granted one. Held in memory until `adopt`. */
  linkCertified(input: { log: readonly string[] }): Promise<void>;

  // ---- On a device of the account
  /** Reads a code. Fails with `malformed`, `unsupported`, `bad_key` for anything else. */
  linkMeet(input: { code: string }): Promise<{ readonly mailboxId: string; readonly meeting: string }>;
  /** What the new device calls itself, and the pictures. */
  linkReview(input: { request: string }): Promise<{ readonly label: string; readonly echo: LinkEcho }>;
  /** A person confirmed. May be asked again when the account log moved on in between. */
  linkApprove(input: { username: string }): Promise<{
    readonly entry: string;
    readonly label: string;
    readonly claimHash: string;
    readonly grant: string;
  }>;
  /**
   * The log entry with which this device takes another one of the account off its log, and what it has to say about the
   * backup then: its own manifest over what it verified, that it has not verified all of it, or nothing where nothing is
   * backed up. Throws `revoked` (it is off already), `unknown_device`.
   */
  revokeDevice(input: { deviceId: string; now: number }): Promise<Removal>;
}
