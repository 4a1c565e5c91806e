// Two devices with prekeys, and a channel between them for session tests: every step goes through the public functions.
import { serialize } from 'node:v8';
import { utf8 } from '#crypto/bytes.ts';
import { EMPTY_PREKEY_RECORD, makePrekeySet, type PrekeyRecord } from '#crypto/prekey-store.ts';
import { verifyClaimedPrekeys, type ClaimedPrekeys, type PrekeyBundle } from '#crypto/prekeys.ts';
import type { LocalDevice } from '#crypto/pqxdh.ts';
import type { Rng } from '#crypto/rng.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import {
  decryptPairwise,
  encryptPairwise,
  startSession,
  type PairwiseResult,
  type SessionSet,
} from '#crypto/session.ts';
import { makeAccount, NOW, type TestAccount, type TestDevice } from './people.ts';

/** One end of a conversation between two devices. Mutable on purpose: it plays the stored records of a device. */
export interface End {
  readonly name: string;
  readonly account: TestAccount;
  readonly device: TestDevice;
  readonly self: LocalDevice;
  readonly rng: Rng;
  prekeys: PrekeyRecord;
  /** The other end's claims still to be handed out, as the server would. */
  claims: ClaimedPrekeys[];
  set: SessionSet | null;
  /** The device's time, ms. */
  now: number;
}

/** A device of an account with a published prekey set of `units` one-time units. */
export function makeEnd(
  name: string,
  options: { units?: number; account?: TestAccount; device?: number } = {},
): End {
  const account = options.account ?? makeAccount(name);
  const device = account.devices[options.device ?? 0]!;
  const rng = seededRng(utf8(`end/${name}/${options.device ?? 0}`));
  const self = { secrets: device.secrets, log: account.log };
  const end: End = {
    name,
    account,
    device,
    self,
    rng,
    prekeys: EMPTY_PREKEY_RECORD,
    claims: [],
    set: null,
    now: NOW,
  };
  publish(end, options.units ?? 4);
  return end;
}

/** Publishes the end's next prekey set. */
export function publish(end: End, units: number): void {
  end.prekeys = makePrekeySet(end.prekeys, { device: end.device.secrets, now: end.now, units }, end.rng);
  const { set, units: encoded } = end.prekeys.pending!;
  end.claims = [...encoded.map((unit) => ({ set, unit })), { set, unit: null }];
}

/** What the server hands to a claimer: the lowest unit, then the last-resort bundle for ever. */
export function claim(end: End): PrekeyBundle {
  const claimed = end.claims.length > 1 ? end.claims.shift()! : end.claims[0]!;
  return verifyClaimedPrekeys(claimed, { device: end.device.cert, serverTime: end.now, knownSetId: 0 });
}

/** `from` opens a session to `to`. */
export function open(from: End, to: End, retire: 'worn' | 'all' = 'worn'): void {
  const options = { self: from.self, peerLog: to.account.log, bundle: claim(to), retire };
  from.set = startSession(from.set, options, { now: from.now, rng: from.rng });
}

/** Encrypts and stores the advanced record, opening a session when one is required. */
export function send(from: End, to: End, text: string): Uint8Array {
  if (!from.set) open(from, to);
  const logs = { ownLog: from.self.log, peerLog: to.self.log };
  const sent = encryptPairwise(from.set!, { ...logs, payload: utf8(text) }, { now: from.now, rng: from.rng });
  from.set = sent.record;
  return sent.packet;
}

/** Decrypts without storing anything. */
export function peek(to: End, from: End, packet: Uint8Array): PairwiseResult {
  return decryptPairwise(to.set, {
    packet,
    self: to.self,
    peerLog: from.account.log,
    peerDeviceId: from.device.secrets.deviceId,
    prekeys: to.prekeys,
    now: to.now,
  });
}

/** Decrypts and stores what came of it; returns the text. */
export function receive(to: End, from: End, packet: Uint8Array): string {
  const result = peek(to, from, packet);
  to.set = result.record;
  to.prekeys = result.prekeys;
  return new TextDecoder().decode(result.packet.payload);
}

/** Everything stored of an end as one byte string: equal bytes, equal state. */
export function stateBytes(end: End): Buffer {
  return serialize({ set: end.set, prekeys: end.prekeys });
}
