// Linking a device (protocol 3.3): a mailbox of two minutes through which a new browser and a device of the account
// pass three sealed parcels, and the log-in that this device grants the new one. All of it is in the database, so it
// works whichever node either side is on. The server cannot open a parcel and never has the code's secret.
import { createHash, timingSafeEqual } from 'node:crypto';
import { bytesToUuid, decodeLogEntry, verifyDeviceCert } from '#crypto/verify.ts';
import type { Deps, DeviceActor } from '#server/deps.ts';
import { appendLog } from '#server/domains/devices/account-log.service.ts';
import { requireLiveDevice } from '#server/domains/devices/devices.service.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes, requireProof } from '#server/proof.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { LinkView } from '#shared/links.ts';
import {
  countLinks,
  findLink,
  insertLink,
  lockLink,
  removeLink,
  storeGrant,
  storeMeeting,
  storeRequest,
  type LinkRow,
} from './links.queries.ts';

const conflict = (): AppError => new AppError({ code: 'conflict', what: 'link' });
const nowOf = (deps: Deps): Date => new Date(deps.clock.now());
const later = (deps: Deps): Date => new Date(deps.clock.now() + limits.linkMs);

interface Mailbox {
  readonly mailboxId: string;
}

/** Opens a mailbox for a code that a new device shows. Throws `conflict` (taken), `limit_reached`. */
export async function openLink(deps: Deps, input: Mailbox): Promise<{ readonly expiresAt: number }> {
  const [createdAt, expiresAt] = [nowOf(deps), later(deps)];
  if ((await countLinks(deps.db, createdAt)) >= limits.linksOpen) {
    throw new AppError({ code: 'limit_reached', limit: 'linksOpen', max: limits.linksOpen });
  }
  const isNew = await insertLink(deps.db, { id: decodeBytes(input.mailboxId), createdAt, expiresAt });
  if (!isNew) throw conflict();
  return { expiresAt: expiresAt.getTime() };
}

/** What arrived so far. Throws `not_found`, also when the two minutes are over. */
export async function readLink(deps: Deps, input: Mailbox): Promise<LinkView> {
  const row = await findLink(deps.db, decodeBytes(input.mailboxId), nowOf(deps));
  if (!row) throw notFound();
  const text = (bytes: Uint8Array | null): string | null => (bytes ? encodeBytes(bytes) : null);
  return {
    expiresAt: row.expiresAt.getTime(),
    meeting: text(row.meeting),
    request: text(row.request),
    grant: text(row.grant),
  };
}

/** Either side gives up; what was not claimed can not be any more. */
export async function closeLink(deps: Deps, input: Mailbox): Promise<void> {
  await removeLink(deps.db, decodeBytes(input.mailboxId));
}

async function locked(tx: Tx, deps: Deps, id: Uint8Array): Promise<LinkRow> {
  const row = await lockLink(tx, id, nowOf(deps));
  if (!row) throw notFound();
  return row;
}

const isSame = (a: Uint8Array | null, b: Uint8Array): boolean => a !== null && Buffer.compare(a, b) === 0;

/**
 * A device of an account read the code: the mailbox is its account's from now on. A code is good for one reader; the
 * same parcel again is done already. Throws `not_found`, `conflict`.
 */
export function meetLink(
  deps: Deps,
  actor: DeviceActor,
  input: Mailbox & { readonly parcel: string },
): Promise<void> {
  const [id, parcel] = [decodeBytes(input.mailboxId), decodeBytes(input.parcel)];
  return transaction(deps.db, async (tx) => {
    const row = await locked(tx, deps, id);
    if (row.accountId === actor.accountId && isSame(row.meeting, parcel)) return;
    if (row.meeting !== null) throw conflict();
    await storeMeeting(tx, id, { accountId: actor.accountId, parcel });
  });
}

/** The new device asks to be certified. Once, and only after somebody read its code. Throws `not_found`, `conflict`. */
export function askLink(deps: Deps, input: Mailbox & { readonly parcel: string }): Promise<void> {
  const [id, parcel] = [decodeBytes(input.mailboxId), decodeBytes(input.parcel)];
  return transaction(deps.db, async (tx) => {
    const row = await locked(tx, deps, id);
    if (isSame(row.request, parcel)) return;
    if (row.meeting === null || row.request !== null) throw conflict();
    await storeRequest(tx, id, parcel);
  });
}

/** The device that an entry adds; throws `bad_proof` for any other entry. */
function deviceAddedBy(entry: string): DeviceId {
  return requireProof('account_log', () => {
    const { body } = decodeLogEntry(decodeBytes(entry));
    if (body.op !== 'addDevice') throw new AppError({ code: 'bad_proof', what: 'account_log' });
    return bytesToUuid(verifyDeviceCert(body.cert).deviceId) as DeviceId;
  });
}

/**
 * A person confirmed: the new device enters the account log, and may log in once with what only it and the confirming
 * device can derive; all or nothing. Repeating it after a lost answer is done already. Throws `not_found`, `conflict`,
 * `bad_proof`, `limit_reached`.
 */
export async function approveLink(
  deps: Deps,
  actor: DeviceActor,
  input: Mailbox & {
    readonly parcel: string;
    readonly entry: string;
    readonly label: string;
    readonly claimHash: string;
  },
): Promise<void> {
  const id = decodeBytes(input.mailboxId);
  const [parcel, claimHash] = [decodeBytes(input.parcel), decodeBytes(input.claimHash)];
  const deviceId = deviceAddedBy(input.entry);
  const { entry, label } = input;
  const grant = async (tx: Tx): Promise<void> => {
    const row = await locked(tx, deps, id);
    if (row.accountId !== actor.accountId) throw notFound();
    if (row.request === null || row.grant !== null) throw conflict();
    await storeGrant(tx, id, { parcel, deviceId, claimHash, expiresAt: later(deps) });
  };
  await appendLog(deps, actor, { entry, label, inSame: grant });
}

/**
 * Spends what was granted: answers whose log-in it is and removes the mailbox. Throws `not_found`, `conflict` (nothing
 * is granted yet, or the device was removed since), `bad_credentials`.
 */
export async function spendLink(
  tx: Tx,
  deps: Deps,
  input: Mailbox & { readonly claim: string },
): Promise<{ readonly accountId: AccountId }> {
  const id = decodeBytes(input.mailboxId);
  const { accountId, deviceId, claimHash } = await locked(tx, deps, id);
  if (accountId === null || deviceId === null || claimHash === null) throw conflict();
  const shown = createHash('sha256').update(decodeBytes(input.claim)).digest();
  if (!timingSafeEqual(shown, claimHash)) throw new AppError({ code: 'bad_credentials' });
  await requireLiveDevice(tx, { accountId, deviceId });
  await removeLink(tx, id);
  return { accountId };
}
