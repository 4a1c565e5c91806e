// The configuration, and the only file that reads process.env. Every fault is reported at once; an empty string
// means unset; every secret X may instead be given as X_FILE, the path of a file that holds it.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import * as z from 'zod';

/** Variables that may be given as `NAME_FILE`. */
const SECRETS = [
  'DATABASE_URL',
  'REDIS_URL',
  'JWT_KEY',
  'FRANKING_KEY',
  'KDF_FAKE_KEY',
  'TOTP_KEY',
  'SETUP_TOKEN',
  'METRICS_TOKEN',
] as const;

const list = (value: string): string[] => value.split(',').flatMap((part) => part.trim() || []);
const isOrigin = (value: string): boolean => {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.hash && !url.username;
};
const origin = z
  .string()
  .refine(isOrigin, 'must be an http(s) origin without path')
  .transform((value) => new URL(value).origin);

/** Turns one entry of TRUST_PROXY into CIDR notation; null when it is no address. */
function cidr(entry: string): string[] | null {
  if (entry === 'loopback') return ['127.0.0.0/8', '::1/128'];
  if (entry === 'private') return ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];
  const [address = '', bits] = entry.split('/');
  const family = isIP(address);
  if (family === 0) return null;
  const width = family === 4 ? 32 : 128;
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= width)) return null;
  return [`${address}/${bits ?? width}`];
}

const trustProxy = z.string().transform((value, context): string[] =>
  list(value).flatMap((entry) => {
    const ranges = cidr(entry);
    if (!ranges)
      context.addIssue({ code: 'custom', message: `"${entry}" is no address, CIDR, loopback or private` });
    return ranges ?? [];
  }),
);

const base64Key = (bytes: number) =>
  z
    .string()
    .refine((value) => Buffer.from(value, 'base64').length === bytes, `must be ${bytes} bytes in base64`)
    .transform((value) => new Uint8Array(Buffer.from(value, 'base64')));

const schema = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test']).default('production'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  HOST: z.string().default('127.0.0.1'),
  PUBLIC_URL: origin.optional(),
  ALLOWED_ORIGINS: z.string().transform(list).pipe(z.array(origin)).default([]),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must be a postgres:// address')
    .optional(),
  DATABASE_POOL: z.coerce.number().int().min(2).max(100).default(12),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'must be a redis:// or rediss:// address')
    .optional(),
  DATA_DIR: z.string().default('./data'),
  CLIENT_DIR: z.string().default('./dist/client'),
  MIGRATIONS_DIR: z.string().default('./prisma/migrations'),
  TRUST_PROXY: trustProxy.default([]),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  JWT_KEY: z.string().includes('PRIVATE KEY', 'must be a PEM private key (Ed25519)').optional(),
  FRANKING_KEY: base64Key(32).optional(),
  KDF_FAKE_KEY: base64Key(32).optional(),
  TOTP_KEY: base64Key(32).optional(),
  SETUP_TOKEN: z.string().min(16, 'must have 16 characters or more').optional(),
  METRICS_TOKEN: z.string().min(16, 'must have 16 characters or more').optional(),
  DISK_RESERVE_MB: z.coerce.number().int().min(0).max(1_000_000).default(256),
});

/** Names of all variables, for the check of `.env.example`. */
export const envNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...SECRETS.map((name) => `${name}_FILE`),
];

/** The configuration is wrong; the message lists every fault and is safe to print. */
export class EnvError extends Error {
  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length} fault(s):\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
    this.name = 'EnvError';
  }
}

export interface Env {
  readonly mode: 'development' | 'production' | 'test';
  readonly port: number;
  readonly host: string;
  /** Origin under which people reach the server, without trailing slash. */
  readonly publicUrl: string;
  /** Origins that may open sockets and send state-changing requests; includes `publicUrl`. */
  readonly allowedOrigins: readonly string[];
  readonly databaseUrl: string | undefined;
  readonly databasePool: number;
  /** Set: this process is one of the nodes that share the database and this Redis. */
  readonly redisUrl: string | undefined;
  /** Absolute paths. */
  readonly dataDir: string;
  readonly clientDir: string;
  readonly migrationsDir: string;
  /** CIDR ranges whose forwarding headers count; empty: nobody's. */
  readonly trustProxy: readonly string[];
  readonly logLevel: z.infer<typeof schema>['LOG_LEVEL'];
  readonly secureCookies: boolean;
  readonly jwtKey: string | undefined;
  readonly frankingKey: Uint8Array | undefined;
  readonly kdfFakeKey: Uint8Array | undefined;
  readonly totpKey: Uint8Array | undefined;
  readonly setupToken: string | undefined;
  /** Who holds it may read /metrics from anywhere. */
  readonly metricsToken: string | undefined;
  /** Bytes of the data folder's disk to keep free; 0: no reserve. */
  readonly diskReserveBytes: number;
}

type Source = Record<string, string | undefined>;

/** Drops empty strings and replaces X_FILE by X; tells what cannot be read. */
function collect(source: Source, faults: string[]): Source {
  const given: Source = {};
  for (const [name, value] of Object.entries(source)) if (value) given[name] = value;
  for (const name of SECRETS) {
    const path = given[`${name}_FILE`];
    if (!path) continue;
    if (given[name]) faults.push(`${name} and ${name}_FILE are both set`);
    try {
      given[name] = readFileSync(path, 'utf8').trim();
    } catch {
      faults.push(`${name}_FILE: ${path} cannot be read`);
    }
  }
  return given;
}

/**
 * Reads a configuration from `source`. What ships with the program (client, migrations) is found under `root`, the
 * package's folder; DATA_DIR stands where the process was started. @throws EnvError with every fault
 */
export function parseEnv(source: Source, root = process.cwd()): Env {
  const faults: string[] = [];
  const parsed = schema.safeParse(collect(source, faults));
  for (const issue of parsed.error?.issues ?? []) faults.push(`${issue.path.join('.')}: ${issue.message}`);
  if (parsed.data?.REDIS_URL && !parsed.data.DATABASE_URL)
    faults.push(
      'REDIS_URL: several nodes need one PostgreSQL: set DATABASE_URL too (the same on every node)',
    );
  if (parsed.data?.REDIS_URL && !parsed.data.PUBLIC_URL)
    faults.push('REDIS_URL: nodes find one another by PUBLIC_URL: set it (the same on every node)');
  if (!parsed.success || faults.length > 0) throw new EnvError(faults);
  const vars = parsed.data;
  const publicUrl = vars.PUBLIC_URL ?? `http://localhost:${vars.PORT}`;
  // Without PUBLIC_URL the server is for this machine; people type either name of it.
  const local = vars.PUBLIC_URL ? [] : [`http://127.0.0.1:${vars.PORT}`, `http://[::1]:${vars.PORT}`];
  return {
    mode: vars.NODE_ENV,
    port: vars.PORT,
    host: vars.HOST,
    publicUrl,
    allowedOrigins: [...new Set([publicUrl, ...local, ...vars.ALLOWED_ORIGINS])],
    databaseUrl: vars.DATABASE_URL,
    databasePool: vars.DATABASE_POOL,
    redisUrl: vars.REDIS_URL,
    dataDir: resolve(vars.DATA_DIR),
    clientDir: resolve(root, vars.CLIENT_DIR),
    migrationsDir: resolve(root, vars.MIGRATIONS_DIR),
    trustProxy: vars.TRUST_PROXY,
    logLevel: vars.LOG_LEVEL,
    secureCookies: publicUrl.startsWith('https:'),
    jwtKey: vars.JWT_KEY,
    frankingKey: vars.FRANKING_KEY,
    kdfFakeKey: vars.KDF_FAKE_KEY,
    totpKey: vars.TOTP_KEY,
    setupToken: vars.SETUP_TOKEN,
    metricsToken: vars.METRICS_TOKEN,
    diskReserveBytes: vars.DISK_RESERVE_MB * 1024 * 1024,
  };
}

/** The configuration of this process. @throws EnvError */
export const loadEnv = (root: string): Env => parseEnv(process.env, root);
