// The secrets the product needs: taken from the configuration, or made on first start and kept in
// DATA_DIR/secrets, readable by the server's user alone.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from './env.ts';

const KEY_BYTES = 32;

export interface Secrets {
  /** Ed25519 pair that signs access tokens. */
  readonly jwt: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** 32 bytes; the server's franking key (protocol: message franking). */
  readonly frankingKey: Uint8Array;
  /** 32 bytes; makes stable invented KDF parameters for names that do not exist. */
  readonly kdfFakeKey: Uint8Array;
}

/** Reads `path`, or creates it whole and flushed; two starts at once end with the same content. */
async function readOrCreate(path: string, make: () => Buffer): Promise<Buffer> {
  const existing = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw cause;
  });
  if (existing) return existing;
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(make());
    await file.sync();
  } finally {
    await file.close();
  }
  await link(draft, path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
  });
  await rm(draft);
  return readFile(path);
}

const newPrivateKeyPem = (): Buffer =>
  Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));

async function keyBytes(folder: string, name: string): Promise<Uint8Array> {
  const bytes = await readOrCreate(join(folder, name), () => randomBytes(KEY_BYTES));
  if (bytes.length !== KEY_BYTES)
    throw new Error(`secrets/${name} is damaged: it must hold ${KEY_BYTES} bytes`);
  return new Uint8Array(bytes);
}

/** Loads every secret, making those that are missing. @throws Error when one is damaged */
export async function loadSecrets(
  env: Pick<Env, 'dataDir' | 'jwtKey' | 'frankingKey' | 'kdfFakeKey'>,
): Promise<Secrets> {
  const folder = join(env.dataDir, 'secrets');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pem = env.jwtKey ?? (await readOrCreate(join(folder, 'jwt-ed25519.pem'), newPrivateKeyPem));
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== 'ed25519')
    throw new Error('the token key must be an Ed25519 private key');
  return {
    jwt: { privateKey, publicKey: createPublicKey(privateKey) },
    frankingKey: env.frankingKey ?? (await keyBytes(folder, 'franking.key')),
    kdfFakeKey: env.kdfFakeKey ?? (await keyBytes(folder, 'kdf-fake.key')),
  };
}
