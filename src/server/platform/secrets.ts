// The secrets the product needs: taken from the configuration, or made on first start and kept in
// DATA_DIR/secrets, readable by the server's user alone.
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from './env.ts';

const KEY_BYTES = 32;
const JWT_FILE = 'jwt-ed25519.pem';
const FRANKING_FILE = 'franking.key';
const KDF_FAKE_FILE = 'kdf-fake.key';
const TOTP_FILE = 'totp.key';

export interface Secrets {
  /** Ed25519 pair that signs access tokens. */
  readonly jwt: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** 32 bytes; the server's franking key (protocol: message franking). */
  readonly frankingKey: Uint8Array;
  /** 32 bytes; makes stable invented KDF parameters for names that do not exist. */
  readonly kdfFakeKey: Uint8Array;
  /** 32 bytes; seals the secrets of codes by time and keys the hashes of backup codes. */
  readonly totpKey: Uint8Array;
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

/** The same for the same secrets, and tells nothing of them: nodes of one instance compare it. */
export function kinshipOf({ jwt, frankingKey, kdfFakeKey, totpKey }: Secrets): string {
  const publicKey = jwt.publicKey.export({ type: 'spki', format: 'der' });
  const inner = createHmac('sha256', frankingKey).update(publicKey).update(totpKey).digest();
  return createHmac('sha256', kdfFakeKey).update(inner).digest('base64url').slice(0, 16);
}

/** Loads every secret, making those that are missing. @throws Error when one is damaged */
export async function loadSecrets(
  env: Pick<Env, 'dataDir' | 'jwtKey' | 'frankingKey' | 'kdfFakeKey' | 'totpKey'>,
): Promise<Secrets> {
  const folder = join(env.dataDir, 'secrets');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pem = env.jwtKey ?? (await readOrCreate(join(folder, JWT_FILE), newPrivateKeyPem));
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== 'ed25519')
    throw new Error('the token key must be an Ed25519 private key');
  return {
    jwt: { privateKey, publicKey: createPublicKey(privateKey) },
    frankingKey: env.frankingKey ?? (await keyBytes(folder, FRANKING_FILE)),
    kdfFakeKey: env.kdfFakeKey ?? (await keyBytes(folder, KDF_FAKE_FILE)),
    totpKey: env.totpKey ?? (await keyBytes(folder, TOTP_FILE)),
  };
}

/** The secrets as the files of DATA_DIR/secrets that would give them, wherever they came from. */
export const secretFiles = (secrets: Secrets): Readonly<Record<string, Uint8Array>> => ({
  [JWT_FILE]: Buffer.from(secrets.jwt.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  [FRANKING_FILE]: secrets.frankingKey,
  [KDF_FAKE_FILE]: secrets.kdfFakeKey,
  [TOTP_FILE]: secrets.totpKey,
});

/**
 * Puts secrets into DATA_DIR/secrets and returns what takes back those it wrote. Files that are there already must
 * hold the same. @throws Error when one does not
 */
export async function putSecrets(
  dataDir: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<() => Promise<void>> {
  const folder = join(dataDir, 'secrets');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const written: string[] = [];
  const takeBack = async (): Promise<void> => {
    for (const path of written) await rm(path, { force: true });
  };
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    const isNew = !existsSync(path);
    if (isNew) written.push(path);
    if (Buffer.compare(await readOrCreate(path, () => Buffer.from(bytes)), bytes) === 0) continue;
    await takeBack();
    throw new Error(`${path} is there already and holds something else.`);
  }
  return takeBack;
}
