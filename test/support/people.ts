// People with real keys in a test database: registered through the procedures, device attached, prekeys published.
import type { Deps, DeviceActor } from '#server/deps.ts';
import type { SessionGrant } from '#shared/auth.ts';
import type { ChannelId, CommunityId } from '#shared/ids.ts';
import { caller, testRequest, type Caller } from './deps.ts';
import { attachSignature, makeIdentity, makeUpload, registration, type Identity } from './keys.ts';

export interface Person extends Identity {
  readonly username: string;
  readonly actor: DeviceActor;
  /** Procedures as this person, on the attached device. */
  readonly api: Caller;
}

export interface PersonOptions {
  readonly username?: string;
  readonly inviteCode?: string;
  /** One-time units to publish; 0: publish nothing (the default, for speed). */
  readonly units?: number;
}

let count = 0;

/** Binds a session of the identity to its device. */
export async function attach(deps: Deps, identity: Identity, grant: SessionGrant): Promise<DeviceActor> {
  const { accountId, sessionId } = grant;
  const api = caller(deps, { accountId, sessionId, deviceId: null });
  const { challenge } = await api.devices.challenge();
  const signature = attachSignature(identity.device, sessionId, challenge);
  await api.devices.attach({ deviceId: identity.deviceId, signature });
  return { accountId, sessionId, deviceId: identity.deviceId };
}

/** A community with one channel that everybody given is in, by the code of an invite; the first owns it. */
export async function makeHome(
  owner: Pick<Person, 'api'>,
  ...guests: readonly Pick<Person, 'api'>[]
): Promise<{ communityId: CommunityId; channelId: ChannelId; code: string }> {
  const { communityId, channels } = await owner.api.communities.create({ name: 'Home' });
  const [channel] = channels;
  if (!channel) throw new Error('a community starts with a channel');
  const { code } = await owner.api.invites.create({ communityId });
  for (const guest of guests) await guest.api.invites.accept({ code });
  return { communityId, channelId: channel.channelId, code };
}

/** Registers a person through the procedures. The first one of a database becomes the instance owner. */
export async function registerPerson(deps: Deps, options: PersonOptions = {}): Promise<Person> {
  const username = options.username ?? `person${(count += 1)}`;
  const identity = makeIdentity(deps.clock.now());
  const anybody = caller(deps, null, testRequest());
  const { setup } = await anybody.instance.info();
  const admission = setup === 'done' ? {} : { setup: {} };
  const invited = options.inviteCode ? { inviteCode: options.inviteCode } : {};
  const grant = await anybody.auth.register({
    ...registration(identity, username),
    ...admission,
    ...invited,
  });
  const actor = await attach(deps, identity, grant);
  const api = caller(deps, actor);
  if (setup !== 'done') await api.instance.configure({ name: 'Test', registration: 'open' });
  if (options.units) {
    const { upload } = makeUpload(identity.device, { units: options.units, now: deps.clock.now() });
    await api.prekeys.publish(upload);
  }
  return { ...identity, username, actor, api };
}
