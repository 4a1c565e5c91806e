// What makes history grow asks here first: below the disk reserve it is refused, while reading, deleting and signing
// in go on.
import { AppError } from '#shared/errors.ts';
import type { Deps } from './deps.ts';

/** Throws `disk_low` while the disk of the data folder has less free than its reserve. */
export function requireDiskRoom(deps: Pick<Deps, 'disk'>): void {
  if (deps.disk.isLow) throw new AppError({ code: 'disk_low' });
}
