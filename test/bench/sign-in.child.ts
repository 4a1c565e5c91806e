// W6's server: people whose sign-in secret is the same, hashed as the product hashes it, and a live session each.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { authenticate } from '#server/authenticate.ts';
import { hashLoginSecret } from '#server/platform/password.ts';
import { encodeBytes } from '#server/proof.ts';
import { addPeople, tokensOf } from './populace.ts';
import { openStage, serveStage, type StageReady } from './stage.ts';

export interface SignInReady extends StageReady {
  readonly tokens: readonly string[];
  /** What the browser derives from the password, base64url. */
  readonly loginSecret: string;
  readonly usernames: readonly string[];
}

const SECRET_BYTES = 32;
const CHECKS_IN_FLIGHT = 64;
const CHECK_SECONDS = 3;
const [count = '1'] = process.argv.slice(2);
const stage = await openStage();
const { deps } = stage.app;
const people = await addPeople(deps, Number(count));
const secret = new Uint8Array(randomBytes(SECRET_BYTES));
await stage.db.query(
  'bench.credentials',
  `INSERT INTO "Credential" ("accountId", "kdfVersion", "kdfMemoryKiB", "kdfPasses", "kdfSalt", "secretHash",
     "recoveryHash", vault) SELECT u, 1, 65536, 3, '\\x00', $2, '', '\\x00' FROM unnest($1::uuid[]) u`,
  [people.map(({ accountId }) => accountId), await hashLoginSecret(secret)],
);
const tokens = await tokensOf(deps, people);

/** Tokens accepted per second without HTTP around them: the signature checked, the session's row read. */
async function tokenChecks(): Promise<number> {
  const start = performance.now();
  let done = 0;
  const work = async (): Promise<void> => {
    while (performance.now() - start < CHECK_SECONDS * 1000) {
      const { actor } = await authenticate(deps, tokens[done++ % tokens.length] ?? '');
      if (!actor) throw new Error('a live token was refused');
    }
  };
  await Promise.all(Array.from({ length: CHECKS_IN_FLIGHT }, work));
  return Math.round((done * 1000) / (performance.now() - start));
}

const usernames = people.map((_, at) => `bench${at + 1}`);
await serveStage(stage, { tokens, usernames, loginSecret: encodeBytes(secret) }, { tokenChecks });
