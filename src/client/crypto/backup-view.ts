// The backup as a person may see it, and whether its key is to be another one.
import { hasNewerKey, isRotationDue } from './backup-keys.ts';
import type { BackupView } from './backup-protocol.ts';
import { queued } from './backup-queue.ts';
import type { BackupRecord } from './backup-records.ts';
import { isNewerNamed, isRestoring } from './backup-steps.ts';
import type { Own } from './engine-core.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export async function viewOf(unit: UnitOfWork, own: Own): Promise<BackupView> {
  const record = await unit.get<BackupRecord>(keys.backup);
  const waiting = (await queued(unit)).size;
  const { count = 0, refusal = null } = record ?? {};
  const isNamed = record !== undefined && isNewerNamed(record, own);
  return {
    count,
    waiting,
    isRestoring: isRestoring(record),
    refusal,
    isRotationDue: isRotationDue(own, record),
    isOutdated: isNamed || (await hasNewerKey(unit, own)),
  };
}
