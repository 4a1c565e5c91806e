// Stores and checks the login secret (what the browser derives from the password; protocol P9) with Argon2id at
// the OWASP floor: 19 MiB, two passes, one lane. At most three run at once, so that log-ins cannot starve the
// thread pool that file access and name look-ups share.
import { hash, verify, type Options } from '@node-rs/argon2';
import { randomBytes } from 'node:crypto';

const MAX_CONCURRENT = 3;
const OPTIONS: Options = {
  // The package declares its algorithms as a const enum, which isolated modules cannot read: 2 is Argon2id.
  algorithm: 2,
  memoryCost: 19 * 1024,
  timeCost: 2,
  parallelism: 1,
};

let running = 0;
const waiting: (() => void)[] = [];

async function limited<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MAX_CONCURRENT) await new Promise<void>((resume) => waiting.push(resume));
  else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    // The place is handed on, so the count stays.
    if (next) next();
    else running -= 1;
  }
}

/** The library checks secrets as UTF-8 text (it refuses other bytes), so both directions see base64. */
const textOf = (secret: Uint8Array): string => Buffer.from(secret).toString('base64');

/** Hash of a secret nobody knows, to spend the same work on people who do not exist. */
let nobody: Promise<string> | null = null;

/** Hashes a login secret; returns a PHC string (`$argon2id$…`, about 100 characters). */
export const hashLoginSecret = (secret: Uint8Array): Promise<string> =>
  limited(() => hash(textOf(secret), OPTIONS));

/**
 * Whether `secret` belongs to `stored`. Pass null for an unknown person: it takes the same time and is false.
 * A damaged stored hash is false as well.
 */
export async function verifyLoginSecret(stored: string | null, secret: Uint8Array): Promise<boolean> {
  const reference = stored ?? (await (nobody ??= hashLoginSecret(randomBytes(32))));
  const matches = await limited(() => verify(reference, textOf(secret)).catch(() => false));
  return stored !== null && matches;
}
