// What somebody checked about a person, kept on this device and carried to the others by the backup (kind 3). A note
// says which account has which AID, how that is known and since when; a device that never met the person is warned by
// it all the same.
import {
  bytesToUuid,
  CryptoError,
  decodeAll,
  equalBytes,
  openAccountLog,
  uuidToBytes,
  Writer,
  type AccountLogState,
} from '#crypto/index.ts';
import type { AccountId } from '#shared/ids.ts';
import { putPeerNote } from './backup-queue.ts';
import { formerOf } from './former-logs.ts';
import { keys, type PeerRecord, type VerifiedRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

const NOTE_VERSION = 1;
/** Position is the code on the wire; 0 takes the word back. */
const WAYS = ['none', 'digits', 'code', 'invite'] as const;

interface Note {
  readonly accountId: AccountId;
  readonly how: (typeof WAYS)[number];
  /** 32 bytes each. */
  readonly aid: Uint8Array;
  readonly ownAid: Uint8Array;
  readonly at: number;
}

function encodeNote({ accountId, how, aid, ownAid, at }: Note): Uint8Array {
  const w = new Writer().u8(NOTE_VERSION).u8(WAYS.indexOf(how)).fixed(uuidToBytes(accountId), 16);
  return w.fixed(aid, 32).fixed(ownAid, 32).varint(at).done();
}

/** null for what a newer version of the app wrote. Throws malformed. */
function decodeNote(bytes: Uint8Array): Note | null {
  if (bytes[0] !== NOTE_VERSION) return null;
  return decodeAll(bytes, (r) => {
    r.u8();
    const how = WAYS[r.u8()];
    if (!how) throw new CryptoError('malformed', 'unknown way of checking');
    const accountId = bytesToUuid(r.fixed(16)) as AccountId;
    return { how, accountId, aid: r.fixed(32), ownAid: r.fixed(32), at: r.varint() };
  });
}

/** The identity a person may be asked about: the known one, or after a reset the new one that waits. */
export function identityInQuestion(peer: PeerRecord): AccountLogState | null {
  if (peer.alarm === null) return peer.log;
  if (peer.alarm !== 'reset') return null;
  return peer.offered ? openAccountLog(peer.offered) : peer.log;
}

/** What somebody vouched for: this account has this AID. */
export const vouchedFor = (unit: UnitOfWork, accountId: AccountId): Promise<VerifiedRecord | undefined> =>
  unit.get<VerifiedRecord>(keys.verified(accountId));

/** Back to the identity that was vouched for: what was known contradicted it, and is nobody's any more. */
export function restoreTo(unit: UnitOfWork, accountId: AccountId, log: AccountLogState): void {
  unit.put(keys.peer(accountId), { log, alarm: null, offered: null, behind: false } satisfies PeerRecord);
  unit.put(keys.aid(log.aid), accountId);
}

/** Takes this log as the account's, and everything that spoke against it as settled; one before it becomes a former one. */
export async function settleOn(unit: UnitOfWork, accountId: AccountId, log: AccountLogState): Promise<void> {
  const known = await unit.get<PeerRecord>(keys.peer(accountId));
  const record: PeerRecord = { log, alarm: null, offered: null, behind: false };
  unit.put(keys.peer(accountId), { ...record, ...formerOf(known, log, []) });
  unit.put(keys.aid(log.aid), accountId);
}

/** Keeps what is vouched for, here and for the other devices. */
export function vouch(unit: UnitOfWork, accountId: AccountId, record: VerifiedRecord): void {
  unit.put(keys.verified(accountId), record);
  putPeerNote(unit, record.aid, encodeNote({ accountId, ...record }));
}

/** Takes it back, here and for the other devices. */
export async function unvouch(unit: UnitOfWork, accountId: AccountId, now: number): Promise<void> {
  const known = await vouchedFor(unit, accountId);
  unit.remove(keys.verified(accountId));
  if (!known) return;
  const { aid, ownAid } = known;
  putPeerNote(unit, aid, encodeNote({ accountId, how: 'none', aid, ownAid, at: now }));
}

/** Whoever is known under another AID than the one vouched for counts as reset: nothing is sent until it is decided. */
export async function holdAgainst(unit: UnitOfWork, accountId: AccountId, aid: Uint8Array): Promise<void> {
  const peer = await unit.get<PeerRecord>(keys.peer(accountId));
  if (peer?.alarm === null && !equalBytes(peer.log.aid, aid))
    unit.put(keys.peer(accountId), { ...peer, alarm: 'reset', offered: null } satisfies PeerRecord);
}

/** Acts on a note an own device wrote. The newest word about an account counts; an unreadable one says nothing. */
export async function takeVouch(unit: UnitOfWork, own: AccountId, bytes: Uint8Array): Promise<void> {
  const note = decodeNote(bytes);
  if (!note || note.accountId === own) return;
  const { accountId, how, aid, ownAid, at } = note;
  const known = await vouchedFor(unit, accountId);
  if (known && known.at > at) return;
  if (how === 'none') {
    if (known && equalBytes(known.aid, aid)) unit.remove(keys.verified(accountId));
    return;
  }
  unit.put(keys.verified(accountId), { aid, ownAid, how, at } satisfies VerifiedRecord);
  const peer = await unit.get<PeerRecord>(keys.peer(accountId));
  const offered = peer?.alarm === 'reset' && how !== 'invite' ? identityInQuestion(peer) : null;
  // The other device compared with the very identity that waits here.
  if (offered && equalBytes(offered.aid, aid)) await settleOn(unit, accountId, offered);
  else await holdAgainst(unit, accountId, aid);
}
