import type { Queryable } from '#server/platform/db.ts';
import type { DeviceId } from '#shared/ids.ts';

export interface LeaseRow {
  readonly epoch: Uint8Array;
  readonly rival: Uint8Array | null;
  readonly rivalAt: Date | null;
  readonly copiedAt: Date | null;
}

/** The device's lease, locked together with the device: two states of one device come one after the other. */
export async function lockLease(q: Queryable, deviceId: DeviceId): Promise<LeaseRow | null> {
  await q.query('devices.lock-device', 'SELECT id FROM "Device" WHERE id = $1 FOR NO KEY UPDATE', [deviceId]);
  const rows = await q.query<LeaseRow>(
    'devices.lease',
    'SELECT epoch, rival, "rivalAt", "copiedAt" FROM "DeviceLease" WHERE "deviceId" = $1',
    [deviceId],
  );
  return rows[0] ?? null;
}

/** One epoch of a device, and when it was shown. */
export interface ShownEpoch {
  readonly deviceId: DeviceId;
  readonly epoch: Uint8Array;
  readonly at: Date;
}

/** Moves on. A rival among the epochs before was said long ago and heard late: it is forgotten. */
export async function storeLease(
  q: Queryable,
  { deviceId, epoch, at }: ShownEpoch,
  history: readonly Uint8Array[],
): Promise<void> {
  await q.query(
    'devices.store-lease',
    `INSERT INTO "DeviceLease" AS l ("deviceId", epoch, "takenAt") VALUES ($1, $2, $3::timestamptz)
     ON CONFLICT ("deviceId") DO UPDATE SET epoch = $2, "takenAt" = $3::timestamptz,
       rival = CASE WHEN l.rival = ANY($4::bytea[]) THEN NULL ELSE l.rival END`,
    [deviceId, epoch, at, history],
  );
}

export async function storeRival(q: Queryable, { deviceId, epoch, at }: ShownEpoch): Promise<void> {
  await q.query(
    'devices.store-rival',
    'UPDATE "DeviceLease" SET rival = $2, "rivalAt" = $3::timestamptz WHERE "deviceId" = $1',
    [deviceId, epoch, at],
  );
}

export async function markCopied(q: Queryable, deviceId: DeviceId, at: Date): Promise<void> {
  await q.query(
    'devices.mark-copied',
    'UPDATE "DeviceLease" SET "copiedAt" = $2::timestamptz WHERE "deviceId" = $1',
    [deviceId, at],
  );
}
