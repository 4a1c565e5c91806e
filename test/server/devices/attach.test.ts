import { toBase64Url } from '#crypto/index.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SessionGrant } from '#shared/auth.ts';
import { caller, refusal, testDeps, type TestDeps } from '../../support/deps.ts';
import { attachSignature, makeIdentity, makeSecondDevice } from '../../support/keys.ts';
import { registerPerson, type Person } from '../../support/people.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;
let grant: SessionGrant;

beforeAll(async () => {
  db = await openTestDatabase();
  world = await testDeps(db);
  ada = await registerPerson(world.deps);
  bob = await registerPerson(world.deps);
});
beforeEach(async () => {
  const { username, loginSecret } = ada;
  grant = await caller(world.deps, null).auth.login({ username, loginSecret });
});
afterAll(() => db.close());

const fresh = () =>
  caller(world.deps, { accountId: ada.accountId, sessionId: grant.sessionId, deviceId: null });
const boundDevice = async () =>
  (await db.prisma.session.findUniqueOrThrow({ where: { id: grant.sessionId } })).deviceId;

describe('devices.attach', () => {
  it('binds the session to a device that signs its challenge', async () => {
    const { challenge } = await fresh().devices.challenge();
    const signature = attachSignature(ada.device, grant.sessionId, challenge);
    await fresh().devices.attach({ deviceId: ada.deviceId, signature });
    expect(await boundDevice()).toBe(ada.deviceId);
  });

  it('accepts a signature once', async () => {
    const { challenge } = await fresh().devices.challenge();
    const input = {
      deviceId: ada.deviceId,
      signature: attachSignature(ada.device, grant.sessionId, challenge),
    };
    await fresh().devices.attach(input);
    expect(await refusal(fresh().devices.attach(input))).toEqual({ code: 'bad_proof', what: 'attach' });
  });

  it('wants the newest challenge, of this session, signed by this device', async () => {
    const { challenge: old } = await fresh().devices.challenge();
    const { challenge } = await fresh().devices.challenge();
    const { deviceId } = ada;
    const bad = [
      attachSignature(ada.device, grant.sessionId, old),
      attachSignature(ada.device, ada.actor.sessionId, challenge),
      attachSignature(bob.device, grant.sessionId, challenge),
      attachSignature(makeIdentity().device, grant.sessionId, challenge),
    ];
    for (const signature of bad) {
      const refused = await refusal(fresh().devices.attach({ deviceId, signature }));
      expect(refused).toEqual({ code: 'bad_proof', what: 'attach' });
    }
    expect(await boundDevice()).toBeNull();
  });

  it('does not know devices of other people', async () => {
    const { challenge } = await fresh().devices.challenge();
    for (const stranger of [bob, makeIdentity()]) {
      const signature = attachSignature(stranger.device, grant.sessionId, challenge);
      const { deviceId } = stranger;
      expect(await refusal(fresh().devices.attach({ deviceId, signature }))).toEqual({ code: 'not_found' });
    }
  });

  it('keeps a bound session with its device', async () => {
    const second = makeSecondDevice(ada);
    await ada.api.devices.append({ entry: toBase64Url(second.entry), label: 'Phone' });
    const { challenge } = await ada.api.devices.challenge();
    const signature = attachSignature(second.device, ada.actor.sessionId, challenge);
    const { deviceId } = second;
    expect(await refusal(ada.api.devices.attach({ deviceId, signature }))).toEqual({
      code: 'conflict',
      what: 'session_device',
    });
  });

  it('is required for keys and mailbox', async () => {
    expect(await refusal(fresh().mailbox.pull({ after: 0 }))).toEqual({ code: 'device_required' });
    expect(await refusal(fresh().prekeys.status())).toEqual({ code: 'device_required' });
  });
});
