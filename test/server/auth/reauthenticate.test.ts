// Sensitive actions need fresh proof of the person; which those are is written down in the architecture test.
import { beforeEach, describe, expect, it } from 'vitest';
import { appRouter } from '#server/router.ts';
import { limits } from '#shared/limits.ts';
import { createRevokeDevice, extendAccountLog, toBase64Url, uuidToBytes } from '#crypto/index.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeSecondDevice } from '../../support/keys.ts';
import type { Person } from '../../support/people.ts';
import type { TestDatabase } from '../../support/test-db.ts';
import { appCode } from '../../support/totp.ts';

const wrong = toBase64Url(new Uint8Array(32).fill(1));
let db: TestDatabase;
let world: TestDeps;
let ada: Person;

const fresh = freshPeople({ ada: { username: 'ada' } });
beforeEach(async () => {
  ({ db, world, ada } = await fresh());
});

const table = appRouter._def.procedures as unknown as Record<
  string,
  { readonly _def: { readonly meta?: { readonly sensitive?: string } } }
>;
const always = Object.keys(table).filter((name) => table[name]?._def.meta?.sensitive === 'always');

function call(name: string): Promise<unknown> {
  let target: unknown = ada.api;
  for (const part of name.split('.')) target = (target as Record<string, unknown>)[part];
  return (target as () => Promise<unknown>)();
}

const byPassword = (loginSecret = ada.loginSecret) => ({ kind: 'password', loginSecret }) as const;

describe('freshness', () => {
  it.each(always)(
    '%s is refused on a session that is not fresh, before its input is looked at',
    async (name) => {
      world.clock.advance(limits.freshMs);
      expect(await refusal(call(name))).toEqual({ code: 'reauthentication_required' });
    },
  );

  it('begins with log-in, ends after ten minutes, and comes back with the password for this session only', async () => {
    world.clock.advance(limits.freshMs - 1);
    await ada.api.factors.beginTotp();
    const { accountId, sessionId } = await caller(world.deps, null).auth.login({
      username: ada.username,
      loginSecret: ada.loginSecret,
    });
    const other = caller(world.deps, { accountId, sessionId, deviceId: null });
    world.clock.advance(limits.freshMs);
    expect((await refusal(ada.api.factors.beginTotp())).code).toBe('reauthentication_required');
    expect(await refusal(ada.api.auth.reauthenticate(byPassword(wrong)))).toEqual({
      code: 'bad_credentials',
    });
    expect((await refusal(ada.api.factors.beginTotp())).code).toBe('reauthentication_required');
    await ada.api.auth.reauthenticate(byPassword());
    await ada.api.factors.beginTotp();
    expect((await refusal(other.factors.beginTotp())).code).toBe('reauthentication_required');
  });

  it('does not come with refreshing the session', async () => {
    const request = testRequest({ headers: { 'x-chatalot-refresh': '1' } });
    await caller(world.deps, null, request).auth.login({
      username: ada.username,
      loginSecret: ada.loginSecret,
    });
    world.clock.advance(limits.freshMs);
    const { accountId, sessionId } = await caller(world.deps, null, {
      ...request,
      cookies: request.cookiesSet,
    }).auth.refresh();
    const api = caller(world.deps, { accountId, sessionId, deviceId: null });
    expect((await refusal(api.passkeys.begin())).code).toBe('reauthentication_required');
  });

  it('asks for the second factor too, where there is one, and shares the lockout', async () => {
    const { secret } = await ada.api.factors.beginTotp();
    await ada.api.factors.enableTotp({ code: appCode(secret, world.clock.now()) });
    world.clock.advance(limits.freshMs);
    expect((await refusal(ada.api.auth.reauthenticate(byPassword()))).code).toBe('second_factor_required');
    const factor = { kind: 'totp', code: appCode(secret, world.clock.now()) } as const;
    await ada.api.auth.reauthenticate({ ...byPassword(), factor });
    await ada.api.passkeys.begin();
    for (let i = 0; i < limits.lockoutTries; i += 1) {
      await refusal(ada.api.auth.reauthenticate(byPassword(wrong)));
    }
    expect((await refusal(ada.api.auth.reauthenticate(byPassword()))).code).toBe('locked_out');
  });
});

describe('devices.append', () => {
  it('adds a device only on a fresh session; the very same entry again is still answered', async () => {
    const { entry } = makeSecondDevice(ada);
    const input = { entry: toBase64Url(entry), label: 'Laptop' };
    world.clock.advance(limits.freshMs);
    expect(await refusal(ada.api.devices.append(input))).toEqual({ code: 'reauthentication_required' });
    await ada.api.auth.reauthenticate(byPassword());
    await ada.api.devices.append(input);
    world.clock.advance(limits.freshMs);
    await ada.api.devices.append(input);
  });

  it('takes a device away at any time', async () => {
    const { entry, deviceId } = makeSecondDevice(ada);
    await ada.api.devices.append({ entry: toBase64Url(entry), label: 'Laptop' });
    world.clock.advance(limits.freshMs);
    const state = extendAccountLog(ada.state, [entry]);
    const target = { deviceId: uuidToBytes(deviceId), reason: 'lost' } as const;
    const signer = { kind: 'root', secretKey: ada.root.secretKey } as const;
    const gone = createRevokeDevice(state, target, signer);
    await ada.api.devices.append({ entry: toBase64Url(gone) });
    const device = await db.prisma.device.findUniqueOrThrow({ where: { id: deviceId } });
    expect(device.revokedAt).not.toBeNull();
  });
});
