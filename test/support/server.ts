// A whole server on a random port over a test database: real HTTP, real sockets.
import { createApp, type App } from '#server/app.ts';
import type { DepsOptions } from '#server/create-deps.ts';
import { systemClock } from '#server/platform/clock.ts';
import { origin, roomyRates, testEnv, testLogger, testSecrets } from './deps.ts';
import { openTestDatabase, type TestDatabase } from './test-db.ts';

export interface TestServer {
  readonly app: App;
  readonly db: TestDatabase;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly origin: string;
  close(): Promise<void>;
}

/** Starts a server; with `db` it shares a database that the caller closes. */
export async function startTestServer(
  options: Partial<DepsOptions> & { readonly db?: TestDatabase } = {},
): Promise<TestServer> {
  const db = options.db ?? (await openTestDatabase());
  const app = await createApp({
    env: testEnv(),
    log: testLogger,
    clock: systemClock,
    secrets: await testSecrets(),
    rates: roomyRates,
    ...options,
    db,
  });
  const port = await app.listen();
  const close = async (): Promise<void> => {
    await app.close();
    if (!options.db) await db.close();
  };
  return { app, db, url: `http://127.0.0.1:${port}`, origin, close };
}
