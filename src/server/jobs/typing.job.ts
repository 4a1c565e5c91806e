// Forgets who said long ago that they are typing.
import type { Job } from './job.ts';

export const typing: Job = {
  name: 'typing',
  schedule: '*/5 * * * * *',
  scope: 'node',
  batch: 10_000,
  run: (deps, batch) => Promise.resolve(deps.typing.expire(batch)),
};
