// Account logs: the server keeps them, checks every entry before it stores it, and derives the device rows from
// them. Nothing but a verified entry makes or ends a device (protocol 3.2).
import {
  bytesToUuid,
  CryptoError,
  decodeLogEntry,
  extendAccountLog,
  openAccountLog,
} from '#crypto/verify.ts';
import type { AccountLogState, LogEntry } from '#crypto/verify.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { bumpDevices, bumpEpoch } from '#server/domains/audience/audience.service.ts';
import { requireFresh, revokeSessions } from '#server/domains/sessions/sessions.service.ts';
import { knownAccounts } from '#server/domains/users/users.service.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes, requireProof } from '#server/proof.ts';
import type { AccountLog, DeviceSummary } from '#shared/devices.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import {
  archiveLog,
  findLogEntry,
  insertDevice,
  insertLogEntry,
  listFormerEntries,
  listLiveDevices,
  listLogEntries,
  lockLogHead,
  retireDevice,
  type DeviceRow,
} from './devices.queries.ts';

const conflict = (what: string): AppError => new AppError({ code: 'conflict', what });
const idOf = (bytes: Uint8Array): string => bytesToUuid(bytes);

const defaultLabel = 'Device';

/** A checked entry on its way into the log. */
interface Appended {
  readonly accountId: AccountId;
  readonly entry: LogEntry;
  readonly bytes: Uint8Array;
  readonly state: AccountLogState;
  readonly label: string;
}

/** Stores a checked entry and what follows from it for the device rows. */
async function storeEntry(tx: Tx, deps: Deps, appended: Appended): Promise<void> {
  const { accountId, entry, bytes, state, label } = appended;
  const createdAt = new Date(deps.clock.now());
  await insertLogEntry(tx, { accountId, seq: entry.seq, bytes, hash: entry.hash, createdAt });
  if (entry.body.op === 'genesis' || entry.body.op === 'backupHead') return;
  if (entry.body.op === 'revokeDevice') {
    const deviceId = idOf(entry.body.deviceId) as DeviceId;
    await retireDevice(tx, deviceId, { seq: entry.seq, at: createdAt });
    await revokeSessions(tx, deps, { deviceId });
    return;
  }
  const device = Object.values(state.devices).find((known) => known.addedAtSeq === entry.seq);
  if (!device) throw new AppError({ code: 'bad_proof', what: 'account_log' });
  const { deviceId, signingPub } = device.cert;
  const row = { deviceId: idOf(deviceId) as DeviceId, accountId, label, signingKey: signingPub };
  const isNew = await insertDevice(tx, { ...row, addedSeq: entry.seq, createdAt });
  if (!isNew) throw conflict('device_id');
}

/** A verified start of a log: genesis and the first device. */
export interface FoundedLog {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly label: string;
  readonly encoded: readonly Uint8Array[];
  readonly state: AccountLogState;
}

/**
 * Checks the log of a new account: genesis and one full device, of exactly this account and device. Pure. Throws
 * `bad_proof`.
 */
export function requireFoundedLog(input: {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly label: string;
  readonly log: readonly string[];
}): FoundedLog {
  const encoded = input.log.map(decodeBytes);
  const state = requireProof('account_log', () => openAccountLog(encoded));
  const devices = Object.values(state.devices);
  const device = devices[0];
  const isFounded =
    idOf(state.accountId) === input.accountId &&
    state.headSeq === 1 &&
    devices.length === 1 &&
    device?.cert.kind === 'full' &&
    idOf(device.cert.deviceId) === input.deviceId;
  if (!isFounded) throw new AppError({ code: 'bad_proof', what: 'account_log' });
  return { accountId: input.accountId, deviceId: input.deviceId, label: input.label, encoded, state };
}

/** Stores the log and first device of a new account inside the registration's transaction. */
export async function storeFoundedLog(tx: Tx, deps: Deps, log: FoundedLog): Promise<void> {
  for (const bytes of log.encoded) {
    const { accountId, state, label } = log;
    await storeEntry(tx, deps, { accountId, entry: decodeLogEntry(bytes), bytes, state, label });
  }
}

/**
 * Puts another log in the place of the account's: all its devices are retired with the old one, which stays on record.
 * What the old one said holds for nobody any more. Throws `conflict` (the account is gone, or the device id is taken),
 * `limit_reached`.
 */
export async function replaceLog(tx: Tx, deps: Deps, log: FoundedLog): Promise<void> {
  const { accountId } = log;
  const at = new Date(deps.clock.now());
  const head = await lockLogHead(tx, accountId);
  if (head < 0) throw conflict('account_log');
  const era = await archiveLog(tx, accountId, at);
  if (era > limits.identityResets)
    throw new AppError({ code: 'limit_reached', limit: 'identityResets', max: limits.identityResets });
  for (const { id } of await listLiveDevices(tx, [accountId])) await retireDevice(tx, id, { seq: head, at });
  await storeFoundedLog(tx, deps, log);
  await bumpEpoch(tx, deps, { accountId });
}

/** What an entry that does not extend the log means to its sender. */
function refusalOf(cause: CryptoError): AppError {
  if (cause.code === 'fork' || cause.code === 'truncated') return conflict('account_log');
  if (cause.code === 'limit') {
    return new AppError({ code: 'limit_reached', limit: 'devicesPerAccount', max: limits.devicesPerAccount });
  }
  return new AppError({ code: 'bad_proof', what: 'account_log' });
}

function extend(state: AccountLogState, bytes: Uint8Array): AccountLogState {
  try {
    return extendAccountLog(state, [bytes]);
  } catch (cause) {
    if (cause instanceof CryptoError) throw refusalOf(cause);
    throw cause;
  }
}

async function loadLog(deps: Deps, accountId: AccountId): Promise<AccountLogState> {
  const rows = await listLogEntries(deps.db, [{ accountId, fromSeq: 0 }]);
  return openAccountLog(rows.map((row) => row.bytes));
}

/** True when this very entry is stored already: a repeat after a lost answer. */
async function isRepeat(
  deps: Deps,
  accountId: AccountId,
  entry: { seq: number; bytes: Uint8Array },
): Promise<boolean> {
  const stored = await findLogEntry(deps.db, accountId, entry.seq);
  if (!stored) return false;
  if (Buffer.compare(stored, entry.bytes) === 0) return true;
  throw conflict('account_log');
}

/**
 * Appends one entry to the own log. Idempotent for the very same bytes. Throws `bad_proof` (does not verify),
 * `conflict` (does not follow the newest entry, or the device id is taken), `limit_reached`,
 * `reauthentication_required` (for all but a revocation).
 */
export async function appendLog(
  deps: Deps,
  actor: Actor,
  input: {
    readonly entry: string;
    readonly label?: string | undefined;
    /** What is stored with the entry or not at all. */
    readonly inSame?: (tx: Tx, appended: LogEntry) => Promise<void>;
  },
): Promise<void> {
  const { accountId } = actor;
  const bytes = decodeBytes(input.entry);
  const entry = requireProof('account_log', () => decodeLogEntry(bytes));
  if (idOf(entry.accountId) !== accountId) throw new AppError({ code: 'bad_proof', what: 'account_log' });
  // The vault holds the first root: a root that took over without it would lock the password out (decision 0031).
  if (entry.body.op === 'rotateRoot') throw new AppError({ code: 'bad_proof', what: 'root_rotation' });
  if (await isRepeat(deps, accountId, { seq: entry.seq, bytes })) return;
  // Taking a device away must be quick, and naming the backup is every device's daily duty; giving one the account's keys must not be a stolen session's to do.
  if (entry.body.op === 'addDevice') await requireFresh(deps.db, deps, actor.sessionId);
  const known = await loadLog(deps, accountId);
  if (entry.seq !== known.headSeq + 1) throw conflict('account_log');
  const state = extend(known, bytes);
  await transaction(deps.db, async (tx) => {
    const head = await lockLogHead(tx, accountId);
    if (head !== known.headSeq) throw conflict('account_log');
    await storeEntry(tx, deps, { accountId, entry, bytes, state, label: input.label ?? defaultLabel });
    await announce(tx, deps, { accountId, op: entry.body.op });
    await input.inSame?.(tx, entry);
  });
}

/** Who holds keys changed; a head of the backup changes nobody's keys, and peers learn of it by gossip. */
async function announce(
  tx: Tx,
  deps: Deps,
  { accountId, op }: { accountId: AccountId; op: LogEntry['body']['op'] },
): Promise<void> {
  if (op === 'revokeDevice') await bumpEpoch(tx, deps, { accountId });
  else if (op === 'addDevice') await bumpDevices(tx, deps, { accountId });
}

const summaryOf = (row: DeviceRow): DeviceSummary => ({
  deviceId: row.id,
  label: row.label,
  createdAt: row.createdAt.getTime(),
  lastSeenAt: row.lastSeenAt.getTime(),
});

/** A device's label and hours of use are its owner's; others see when it was added. */
function shownTo(actor: Actor, row: DeviceRow): DeviceSummary {
  const summary = summaryOf(row);
  if (row.accountId === actor.accountId) return summary;
  return { ...summary, label: '' };
}

/** The logs each of these accounts had before, newest first. */
async function formerLogs(deps: Deps, accountIds: readonly AccountId[]): Promise<Map<AccountId, string[][]>> {
  const found = new Map<AccountId, string[][]>();
  if (accountIds.length === 0) return found;
  let era = 0;
  for (const row of await listFormerEntries(deps.db, accountIds, limits.formerLogsShown)) {
    const logs = found.get(row.accountId) ?? [];
    if (logs.length === 0 || row.era !== era) logs.push([]);
    logs.at(-1)?.push(encodeBytes(row.bytes));
    found.set(row.accountId, logs);
    era = row.era;
  }
  return found;
}

/**
 * Logs of oneself and of people one may see; the others are left out, and none at all is `not_found`. Entries are
 * bounded by the log's own bound (512) per account.
 */
export async function getLogs(
  deps: Deps,
  actor: Actor,
  input: { readonly accounts: readonly { readonly accountId: AccountId; readonly fromSeq: number }[] },
): Promise<readonly AccountLog[]> {
  const from = new Map(input.accounts.map((asked) => [asked.accountId, asked.fromSeq]));
  const known = await knownAccounts(deps.db, actor.accountId, [...from.keys()]);
  if (known.length === 0) throw notFound();
  const asked = known.map((accountId) => ({ accountId, fromSeq: from.get(accountId) ?? 0 }));
  const [entries, devices] = [await listLogEntries(deps.db, asked), await listLiveDevices(deps.db, known)];
  const whole = asked.filter(({ fromSeq }) => fromSeq === 0).map(({ accountId }) => accountId);
  const former = await formerLogs(deps, whole);
  return asked.map(({ accountId }) => ({
    accountId,
    ...(former.has(accountId) ? { former: former.get(accountId) ?? [] } : {}),
    entries: entries.filter((e) => e.accountId === accountId).map((e) => encodeBytes(e.bytes)),
    devices: devices.filter((d) => d.accountId === accountId).map((d) => shownTo(actor, d)),
  }));
}
