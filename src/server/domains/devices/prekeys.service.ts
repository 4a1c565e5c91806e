// Prekeys (protocol 3.4, P5, P11): publish is idempotent byte for byte, only the newest valid set is served, a
// one-time unit leaves the shelf once, and the target learns who took it.
import { setImmediate } from 'node:timers/promises';
import { decodePrekeySet, verifyOneTimeUnit, verifyPrekeySet } from '#crypto/verify.ts';
import type { DeviceCert, OneTimeUnit, PrekeySet } from '#crypto/verify.ts';
import type { Deps, DeviceActor } from '#server/deps.ts';
import { sharingChannel } from '#server/domains/users/users.service.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes, requireProof } from '#server/proof.ts';
import type { ClaimResult, PrekeyStatus } from '#shared/devices.ts';
import { AppError } from '#shared/errors.ts';
import type { DeviceId, DeviceRef } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { loadCert, requireOwnDevice } from './devices.service.ts';
import {
  findNewestSet,
  findSet,
  insertSet,
  lockClaimTargets,
  readClaimTargets,
  recordClaims,
  takeUnits,
  type ClaimTarget,
  type StoredSet,
} from './prekeys.queries.ts';

const conflict = (): AppError => new AppError({ code: 'conflict', what: 'prekey_set' });
/** Set ids are stored as int4; at one a week a device never comes near. */
const maxSetId = 2 ** 31 - 1;
const badSet = (): AppError => new AppError({ code: 'bad_proof', what: 'prekey_set' });

/** Verifying 64 signatures takes about 200 ms of CPU: other work gets its turn between units. */
async function verifyUnits(
  encoded: readonly Uint8Array[],
  set: PrekeySet,
  cert: DeviceCert,
): Promise<OneTimeUnit[]> {
  const units: OneTimeUnit[] = [];
  for (const bytes of encoded) {
    const unit = requireProof('prekey_unit', () => verifyOneTimeUnit(bytes, set, cert));
    if (unit.id <= (units.at(-1)?.id ?? -1)) throw badSet();
    units.push(unit);
    await setImmediate();
  }
  return units;
}

/** The set if it is stored already. Throws `conflict` for other bytes under its id, or an id below the newest. */
function repeated(set: PrekeySet, stored: StoredSet | null, newest: StoredSet | null): boolean {
  if (stored) {
    if (Buffer.compare(stored.hash, set.hash) !== 0) throw conflict();
    return true;
  }
  if (newest && newest.setId > set.setId) throw conflict();
  return false;
}

const statusOf = (set: StoredSet | null): PrekeyStatus => ({
  setId: set?.setId ?? null,
  setHash: set ? encodeBytes(set.hash) : null,
  remaining: set?.remaining ?? 0,
  notAfter: set?.notAfter.getTime() ?? null,
});

/**
 * Publishes a set with its one-time units for the own device. Repeating the same bytes changes nothing. Throws
 * `bad_proof`, `conflict`.
 */
export async function publishPrekeys(
  deps: Deps,
  actor: DeviceActor,
  input: { readonly set: string; readonly units: readonly string[] },
): Promise<PrekeyStatus> {
  const { deviceId } = actor;
  const decoded = requireProof('prekey_set', () => decodePrekeySet(decodeBytes(input.set)));
  if (decoded.setId > maxSetId) throw badSet();
  const encodedUnits = input.units.map(decodeBytes);
  const before = await findNewestSet(deps.db, deviceId);
  if (repeated(decoded, await findSet(deps.db, deviceId, decoded.setId), before)) return statusOf(before);
  const device = await requireOwnDevice(deps.db, actor, deviceId);
  const cert = await loadCert(deps.db, device);
  const serverTime = deps.clock.now();
  const check = { device: cert, serverTime, knownSetId: before?.setId ?? 0 };
  const set = requireProof('prekey_set', () => verifyPrekeySet(decoded.encoded, check));
  const units = await verifyUnits(encodedUnits, set, cert);
  return transaction(deps.db, async (tx) => {
    await lockClaimTargets(tx, [deviceId]);
    await requireOwnDevice(tx, actor, deviceId);
    const newest = await findNewestSet(tx, deviceId);
    if (!repeated(set, await findSet(tx, deviceId, set.setId), newest)) {
      const { setId, encoded: bytes, hash } = set;
      const [notAfter, createdAt] = [new Date(set.notAfter), new Date(serverTime)];
      await insertSet(tx, { deviceId, setId, bytes, hash, notAfter, createdAt, units });
    }
    return statusOf(await findNewestSet(tx, deviceId));
  });
}

export async function getPrekeyStatus(deps: Deps, actor: DeviceActor): Promise<PrekeyStatus> {
  return statusOf(await findNewestSet(deps.db, actor.deviceId));
}

type Refusal = Extract<ClaimResult, { status: 'refused' }>['reason'];

function refusalOf(
  target: ClaimTarget | undefined,
  ref: DeviceRef,
  reachable: ReadonlySet<string>,
): Refusal | null {
  if (!target || target.accountId !== ref.accountId || !reachable.has(ref.accountId)) return 'not_found';
  if (target.byPair >= limits.prekeyClaimsPerPairAndHour) return 'too_often';
  return target.bytes === null ? 'no_keys' : null;
}

interface Claiming {
  readonly results: ClaimResult[];
  readonly served: readonly ClaimTarget[];
}

/** Decides every target, takes units for those below the hourly bound, and serves the rest their last resort. */
async function decideClaims(
  tx: Tx,
  actor: DeviceActor,
  asked: { readonly refs: readonly DeviceRef[]; readonly now: Date },
): Promise<Claiming> {
  const { refs, now } = asked;
  const deviceIds = refs.map((ref) => ref.deviceId);
  const reachable = await sharingChannel(
    tx,
    actor.accountId,
    refs.map((ref) => ref.accountId),
  );
  const rows = await readClaimTargets(tx, { deviceIds, claimer: actor.accountId, now });
  const targets = new Map(rows.map((row) => [row.deviceId, row]));
  const served = refs.flatMap((ref) => {
    const target = targets.get(ref.deviceId);
    return target && refusalOf(target, ref, reachable) === null ? [target] : [];
  });
  const withUnit = served.filter((target) => target.byAll < limits.prekeyClaimsPerTargetAndHour);
  const sets = withUnit.map(({ deviceId, setId }) => ({ deviceId, setId: setId ?? 0 }));
  const units = new Map((await takeUnits(tx, sets, now)).map((row) => [row.deviceId, row.bytes]));
  const results = refs.map((ref): ClaimResult => {
    const target = targets.get(ref.deviceId);
    const reason = refusalOf(target, ref, reachable);
    if (reason !== null || !target?.bytes) return { ...ref, status: 'refused', reason: reason ?? 'no_keys' };
    const unit = units.get(ref.deviceId);
    return {
      ...ref,
      status: 'claimed',
      set: encodeBytes(target.bytes),
      unit: unit ? encodeBytes(unit) : null,
    };
  });
  return { results, served };
}

const distinct = (targets: readonly DeviceRef[]): DeviceRef[] => [
  ...new Map(targets.map((target) => [target.deviceId, target])).values(),
];

/**
 * Claims prekeys of devices one shares a channel with (or of one's own). Each result says what happened; nothing is
 * thrown for a single target. More than 3 claims of a pair in an hour are refused; over 60 of one target in an hour
 * the last-resort bundle is served.
 */
export function claimPrekeys(
  deps: Deps,
  actor: DeviceActor,
  input: { readonly targets: readonly DeviceRef[] },
): Promise<readonly ClaimResult[]> {
  const refs = distinct(input.targets).filter((ref) => ref.deviceId !== actor.deviceId);
  return transaction(deps.db, async (tx) => {
    const now = new Date(deps.clock.now());
    const deviceIds: DeviceId[] = refs.map((ref) => ref.deviceId);
    await lockClaimTargets(tx, deviceIds);
    const { results, served } = await decideClaims(tx, actor, { refs, now });
    const claimed = served.map((target) => target.deviceId);
    if (claimed.length === 0) return results;
    const remaining = await recordClaims(tx, { claimer: actor.accountId, deviceIds: claimed, now });
    tx.afterCommit(() => {
      for (const deviceId of claimed) {
        const left = remaining.get(deviceId) ?? 0;
        const event = { type: 'prekeys.claimed', claimedBy: actor.accountId, remaining: left } as const;
        deps.live.publish({ to: 'device', deviceId }, event);
      }
    });
    return results;
  });
}
