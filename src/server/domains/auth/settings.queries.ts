// Settings of the instance, one row per key. The owner's row is also the lock of the set-up: it is inserted once.
import * as z from 'zod/mini';
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';
import { instanceNameSchema, registrationModeSchema, type RegistrationMode } from '#shared/instance.ts';

export interface InstanceSettings {
  readonly name: string;
  readonly registration: RegistrationMode;
  readonly hasOwner: boolean;
}

const defaultName = 'Chatalot';

/** Settings as stored; what was never configured has its default (name "Chatalot", by invite). */
export async function readSettings(q: Queryable): Promise<InstanceSettings> {
  const rows = await q.query<{ key: string; value: unknown }>(
    'settings.read',
    `SELECT key, value FROM "InstanceSetting" WHERE key IN ('name', 'registration', 'owner')`,
  );
  const stored = new Map(rows.map((row) => [row.key, row.value]));
  const name = z.safeParse(instanceNameSchema, stored.get('name'));
  const registration = z.safeParse(registrationModeSchema, stored.get('registration'));
  return {
    name: name.success ? name.data : defaultName,
    registration: registration.success ? registration.data : 'invite',
    hasOwner: stored.has('owner'),
  };
}

export async function writeSetting(q: Queryable, key: 'name' | 'registration', value: string): Promise<void> {
  await q.query(
    'settings.write',
    `INSERT INTO "InstanceSetting" (key, value) VALUES ($1, to_jsonb($2::text))
     ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value`,
    [key, value],
  );
}

/** Makes this account the owner, if there is none: of two at once exactly one gets true. */
export async function claimOwnership(q: Queryable, accountId: AccountId): Promise<boolean> {
  const rows = await q.query<{ key: string }>(
    'settings.claim-ownership',
    `INSERT INTO "InstanceSetting" (key, value) VALUES ('owner', to_jsonb($1::text))
     ON CONFLICT (key) DO NOTHING RETURNING key`,
    [accountId],
  );
  return rows.length === 1;
}
