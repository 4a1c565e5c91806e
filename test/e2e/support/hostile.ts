// What a hostile server does to a person's account: another identity in its place, straight in the database.
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { createAddDevice, createGenesis, openAccountLog } from '#crypto/account-log.ts';
import { generateDevice } from '#crypto/device.ts';
import { randomId, uuidToBytes } from '#crypto/ids.ts';
import { ed25519KeyPair, H } from '#crypto/primitives.ts';
import { systemRng } from '#crypto/rng.ts';
import type { TestServer } from './server.ts';

/** Stops the server, puts a new genesis and device under the person's account id, and starts it again. */
export async function replaceIdentity(server: TestServer, username: string): Promise<void> {
  await server.stop();
  const db = await PGlite.create(join(server.dataDir, 'db'));
  const found = await db.query<{ id: string }>('SELECT id FROM "Account" WHERE username = $1', [username]);
  const accountId = found.rows[0]!.id;
  const now = Date.now();
  const root = ed25519KeyPair(systemRng);
  const genesis = createGenesis({ accountId: uuidToBytes(accountId), root, createdAt: now }, systemRng);
  const log = openAccountLog([genesis]);
  const deviceId = randomId(systemRng);
  const { cert } = generateDevice({ aid: log.aid, deviceId, kind: 'full', createdAt: now }, systemRng);
  const added = createAddDevice(log, cert, { kind: 'root', secretKey: root.secretKey });
  for (const [seq, entry] of [genesis, added].entries()) {
    await db.query('UPDATE "AccountLogEntry" SET bytes = $1, hash = $2 WHERE "accountId" = $3 AND seq = $4', [
      entry,
      H(entry),
      accountId,
      seq,
    ]);
  }
  // What the person's devices appended since (the head of their backup) goes with the log it belongs to.
  await db.query('DELETE FROM "AccountLogEntry" WHERE "accountId" = $1 AND seq > 1', [accountId]);
  await db.close();
  await server.resume();
}
