// A community with people who have real keys, written into a database before a server process opens it; and tokens
// for its sessions, signed with that server's own key.
import { createDeps } from '#server/create-deps.ts';
import type { DeviceActor } from '#server/deps.ts';
import { systemClock } from '#server/platform/clock.ts';
import { openDatabase } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';
import { loadSecrets } from '#server/platform/secrets.ts';
import { AccessTokens } from '#server/platform/tokens.ts';
import type { ChannelId, CommunityId } from '#shared/ids.ts';
import { roomyRates, testEnv, testLogger } from './deps.ts';
import { Pen } from './messages.ts';
import { registerPerson, type Person } from './people.ts';
import { recordedEvents } from './recorded-events.ts';

export interface SeededPlace {
  readonly communityId: CommunityId;
  readonly channelIds: readonly ChannelId[];
  readonly people: readonly Person[];
  token(actor: DeviceActor): Promise<string>;
  pen(person: Person, channelId: ChannelId): Pen;
}

export interface SeedOptions {
  readonly dataDir: string;
  readonly databaseUrl?: string;
  readonly people: number;
  readonly channels: number;
}

/** Fills the database of `dataDir` (or of `databaseUrl`) and closes it again. */
export async function seedPlace(options: SeedOptions): Promise<SeededPlace> {
  const { dataDir, databaseUrl } = options;
  const env = testEnv({ DATA_DIR: dataDir });
  const db = await openDatabase({ dataDir, ...(databaseUrl ? { databaseUrl } : {}) });
  try {
    await migrate(db, env.migrationsDir);
    const secrets = await loadSecrets(env);
    const rest = { env, log: testLogger, clock: systemClock, secrets, rates: roomyRates };
    const deps = createDeps({ ...rest, db }, recordedEvents().live);
    const owner = await registerPerson(deps);
    const { communityId, channels } = await owner.api.communities.create({ name: 'Crash' });
    const channelIds = channels.map(({ channelId }) => channelId);
    const groupId = channels[0]?.groupId ?? null;
    while (channelIds.length < options.channels && groupId !== null) {
      const name = `room-${channelIds.length}`;
      channelIds.push((await owner.api.channels.create({ communityId, groupId, name })).channelId);
    }
    const { code } = await owner.api.invites.create({ communityId });
    const people = [owner];
    while (people.length < options.people) {
      const person = await registerPerson(deps);
      await person.api.invites.accept({ code });
      people.push(person);
    }
    const { epoch } = await owner.api.channels.readers({ channelId: channelIds[0] as ChannelId });
    const tokens = new AccessTokens({ jwt: secrets.jwt, issuer: env.publicUrl, clock: systemClock });
    return {
      communityId,
      channelIds,
      people,
      token: (actor) => tokens.sign(actor),
      pen: (person, channelId) => new Pen(person, channelId, epoch),
    };
  } finally {
    await db.close();
  }
}
