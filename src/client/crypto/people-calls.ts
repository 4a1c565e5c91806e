// The part of the crypto worker's interface that is about people: whose identity this device knows, who was checked,
// what a new identity waits for.
import type { AccountLog } from '#shared/devices.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';

/** Something a person must know about somebody's identity. `blocked` stops sending to that person. */
export interface IdentityAlarm {
  readonly accountId: AccountId;
  readonly kind: 'fork' | 'truncated' | 'reset' | 'invalid';
  readonly blocked: boolean;
}

/** One device of a person's log; lists of them are oldest first. */
export interface DeviceView {
  readonly deviceId: DeviceId;
  readonly addedAt: number;
  /** The one the account was made on. */
  readonly isFirst: boolean;
  /** The device that certified it; null: the account's root, by password or recovery code. */
  readonly addedBy: DeviceId | null;
  readonly isRevoked: boolean;
  readonly isOwn: boolean;
}
/** What was checked to vouch for a person: the digits, a code, or the invite link they made. */
export type VerifiedHow = 'digits' | 'code' | 'invite';
/** One person's identity as this device knows it: the shield and the device list. */
export interface IdentityView {
  readonly accountId: AccountId;
  /** `you_reset`: verified, but by an earlier identity of one's own. `held` waits for a tap; `blocked` is stopped. */
  readonly state: 'unknown' | 'unverified' | 'verified' | 'you_reset' | 'held' | 'blocked';
  readonly alarm: IdentityAlarm['kind'] | null;
  /** How and when they were verified; stands also while a new identity contradicts it. */
  readonly verified: { readonly how: VerifiedHow; readonly at: number } | null;
  /** AID of the identity that waits for a decision, base64url; null when none does. */
  readonly offered: string | null;
  readonly devices: readonly DeviceView[];
}

/** What to hold against the other person's screen. */
export interface Comparison {
  /** AID this is about, base64url; `verify` wants it back. */
  readonly aid: string;
  /** 12 groups of 5 digits. */
  readonly groups: readonly string[];
  /** To show: as a QR code, or as text. */
  readonly code: string;
}
/** What a scanned or pasted code says about a person. */
export type CodeVerdict =
  | { readonly kind: 'match'; readonly aid: string }
  | { readonly kind: 'not_a_code' | 'newer_version' }
  | { readonly kind: 'own' } // this person's own code
  | { readonly kind: 'other_person'; readonly accountId: AccountId } // somebody else known here shows it
  | { readonly kind: 'old_identity' } // from before they started over
  | { readonly kind: 'other_identity' } // the server shows another identity for them
  | { readonly kind: 'for_other'; readonly accountId: AccountId } // theirs, made for somebody else
  | { readonly kind: 'sees_other_you' }; // theirs, but they see another identity for this account

export interface IngestReport {
  readonly alarms: readonly IdentityAlarm[];
  /** Accounts whose log was kept back. */
  readonly keptBack: readonly AccountId[];
}

export interface PeopleCalls {
  /**
   * Takes in what logs say. One that removes a device is kept back until its mail, which counts no more from then on, was
   * taken in: empty the mailbox, then call again with `isMailTaken`.
   */
  ingestLogs(input: { logs: readonly AccountLog[]; isMailTaken?: boolean }): Promise<IngestReport>;
  identities(input: { accountIds: readonly AccountId[] }): Promise<readonly IdentityView[]>;
  /** Takes the new identity (`offered`) unchecked; whoever was verified before is so no more. */
  acceptIdentity(input: { accountId: AccountId; aid: string; now: number }): Promise<void>;

  /** What to compare with a person: their new identity while one waits. null: unknown, or an alarm no comparing settles. */
  compare(input: { accountId: AccountId }): Promise<Comparison | null>;
  /** Reads the code on the other person's screen; changes nothing. */
  readCode(input: { accountId: AccountId; code: string }): Promise<CodeVerdict>;
  /** The person is who `compare` or `readCode` showed (`aid`); a waiting identity is taken by this. */
  verify(input: { accountId: AccountId; aid: string; how: 'digits' | 'code'; now: number }): Promise<void>;
  /** Takes back what was vouched for, on all own devices. */
  unverify(input: { accountId: AccountId; now: number }): Promise<void>;
  /** What an invite link says of its maker, in its fragment: the own AID, base64url. */
  invitePin(): Promise<string>;
  /** Whether a genesis entry is of this account and of the identity the link names. Needs no open account. */
  checkInvitePin(input: { accountId: AccountId; genesis: string; pin: string }): Promise<boolean>;
  /** Remembers what the link said; blocks the person when it contradicts what is known of them. */
  pinInviter(input: { accountId: AccountId; pin: string; now: number }): Promise<void>;
}
