// Sessions and devices: a session is bound to a device by the device's signature over a fresh challenge
// (protocol P9). Mailbox, prekeys and messages need a bound session.
import { randomBytes } from 'node:crypto';
import {
  decodeLogEntry,
  uuidToBytes,
  verifyAttach,
  verifyDeviceCert,
  type DeviceCert,
} from '#crypto/verify.ts';
import type { Actor, Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes, requireProof } from '#server/proof.ts';
import type { AttachChallenge } from '#shared/devices.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { DeviceId, DeviceRef } from '#shared/ids.ts';
import {
  findDeviceRow,
  findLogEntry,
  lockAttachment,
  storeAttachment,
  storeChallenge,
  storeLabel,
  touchDeviceRows,
  type DeviceRow,
} from './devices.queries.ts';

const challengeBytes = 32;

/** A fresh challenge for this session; it replaces an unused one. */
export async function createChallenge(deps: Deps, actor: Actor): Promise<AttachChallenge> {
  const challenge = Uint8Array.from(randomBytes(challengeBytes));
  await storeChallenge(deps.db, actor.sessionId, challenge);
  return { challenge: encodeBytes(challenge) };
}

/** The certificate of a device, from the entry of the account log that added it. */
export async function loadCert(q: Queryable, device: DeviceRow): Promise<DeviceCert> {
  const bytes = await findLogEntry(q, device.accountId, device.addedSeq);
  const body = bytes ? decodeLogEntry(bytes).body : null;
  if (body?.op !== 'addDevice') throw new Error('device without its log entry');
  return verifyDeviceCert(body.cert);
}

/** A live device of this account; anything else is `not_found`. */
export async function requireLiveDevice(q: Queryable, ref: DeviceRef): Promise<DeviceRow> {
  const device = await findDeviceRow(q, ref.deviceId);
  if (!device || device.accountId !== ref.accountId || device.isRevoked) throw notFound();
  return device;
}

/** A live device of one's own; anything else is `not_found`. */
export function requireOwnDevice(q: Queryable, actor: Actor, deviceId: DeviceId): Promise<DeviceRow> {
  return requireLiveDevice(q, { accountId: actor.accountId, deviceId });
}

/**
 * Binds the session to one of the account's live devices. The challenge is spent with it, so a signature works
 * once. Throws `not_found`, `bad_proof`, `conflict` (the session is bound to another device).
 */
export function attachDevice(
  deps: Deps,
  actor: Actor,
  input: { readonly deviceId: DeviceId; readonly signature: string },
): Promise<void> {
  const signature = decodeBytes(input.signature);
  return transaction(deps.db, async (tx) => {
    const device = await requireOwnDevice(tx, actor, input.deviceId);
    const session = await lockAttachment(tx, actor.sessionId);
    if (!session) throw new AppError({ code: 'session_revoked' });
    if (session.deviceId !== null && session.deviceId !== device.id) {
      throw new AppError({ code: 'conflict', what: 'session_device' });
    }
    const { challenge } = session;
    if (!challenge) throw new AppError({ code: 'bad_proof', what: 'attach' });
    const cert = await loadCert(tx, device);
    const request = { sessionId: uuidToBytes(actor.sessionId), challenge: Uint8Array.from(challenge) };
    requireProof('attach', () => verifyAttach(cert, request, signature));
    await storeAttachment(tx, actor.sessionId, device.id);
    await touchDeviceRows(tx, [device.id], new Date(deps.clock.now()));
  });
}

/** Gives a live device of one's own another name. Throws `not_found`. */
export function renameDevice(
  deps: Deps,
  actor: Actor,
  input: { readonly deviceId: DeviceId; readonly label: string },
): Promise<void> {
  return transaction(deps.db, async (tx) => {
    await requireOwnDevice(tx, actor, input.deviceId);
    await storeLabel(tx, input.deviceId, input.label);
  });
}

/** Notes that devices are in use ("last seen", to the hour). */
export async function touchDevices(deps: Deps, deviceIds: readonly DeviceId[]): Promise<void> {
  if (deviceIds.length > 0) await touchDeviceRows(deps.db, deviceIds, new Date(deps.clock.now()));
}
