// The instance itself: what a signed-out browser may know, and its owner's settings.
import packageJson from '../../../../package.json' with { type: 'json' };
import { requireAction } from '#server/access.ts';
import type { RequestInfo } from '#server/context.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { readSettings, setupState, writeSetting } from '#server/domains/auth/setup.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import type { InstanceInfo, JobStatus, RegistrationMode } from '#shared/instance.ts';
import { newestRuns } from './instance.queries.ts';

export async function getInstanceInfo(deps: Deps, request: RequestInfo): Promise<InstanceInfo> {
  const { name, registration, hasOwner } = await readSettings(deps.db);
  return { name, version: packageJson.version, registration, setup: setupState(deps, request, hasOwner) };
}

export function configureInstance(
  deps: Deps,
  actor: Actor,
  input: { readonly name: string; readonly registration: RegistrationMode },
): Promise<void> {
  return transaction(deps.db, async (tx) => {
    await requireAction(tx, actor, 'instance.configure', {});
    await writeSetting(tx, 'name', input.name);
    await writeSetting(tx, 'registration', input.registration);
  });
}

/** Background work with its newest run (of any node, for what runs once for all of them) and the next. */
export async function listJobs(deps: Deps, actor: Actor): Promise<readonly JobStatus[]> {
  await requireAction(deps.db, actor, 'instance.observe', {});
  const shared = await newestRuns(deps.db);
  return deps.jobs.list().map(({ name, schedule, scope, lastRun, nextRunAt }) => ({
    name,
    schedule,
    scope,
    lastRun: scope === 'instance' ? (shared.get(name) ?? null) : lastRun,
    nextRunAt,
  }));
}
