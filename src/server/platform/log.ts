// Structured logs (pino). Fields are an allow-list: whatever is not named here cannot be written, so message
// content, tokens, keys and names cannot reach a log by accident.
import { pino, type DestinationStream } from 'pino';

/** Everything a log line may carry besides its event name. */
export interface LogFields {
  readonly requestId?: string;
  readonly accountId?: string;
  readonly deviceId?: string;
  readonly channelId?: string;
  readonly communityId?: string;
  readonly connectionId?: string;
  readonly procedure?: string;
  readonly route?: string;
  readonly method?: string;
  readonly status?: number;
  readonly code?: string | number;
  readonly reason?: string;
  readonly durationMs?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly depth?: number;
  readonly job?: string;
  readonly migration?: string;
  readonly database?: string;
  readonly address?: string;
  readonly host?: string;
  readonly port?: number;
  readonly version?: string;
  /** Any thrown value. Only its name, code and stack frames are written: messages may quote user data. */
  readonly cause?: unknown;
}

const FIELDS: ReadonlySet<string> = new Set([
  'requestId',
  'accountId',
  'deviceId',
  'channelId',
  'communityId',
  'connectionId',
  'procedure',
  'route',
  'method',
  'status',
  'code',
  'reason',
  'durationMs',
  'count',
  'bytes',
  'depth',
  'job',
  'migration',
  'database',
  'address',
  'host',
  'port',
  'version',
] satisfies (keyof LogFields)[]);

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** The frames of a stack without what stands above them: a message may have lines that look like frames. */
function framesOf({ stack = '', message }: Error): string[] {
  const at = message === '' ? 0 : stack.indexOf(message);
  const below = at === -1 ? '' : stack.slice(at + message.length);
  return below.split('\n').filter((line) => /^\s+at /.test(line));
}

/** A value the allow-list lets through: one that cannot hold others, and no longer than an id or a user agent. */
const isPlain = (value: unknown): boolean =>
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && value.length <= 256);

/** What may be told of a failure: never its message. */
export function describeCause(cause: unknown): Record<string, unknown> {
  if (!(cause instanceof Error)) return { name: typeof cause };
  const code = (cause as { code?: unknown }).code;
  const frames = framesOf(cause);
  return {
    name: cause.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    stack: frames.slice(0, 8).map((line) => line.trim()),
    ...(cause.cause === undefined ? {} : { cause: describeCause(cause.cause) }),
  };
}

function allowed(fields: LogFields): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) if (FIELDS.has(key) && isPlain(value)) out[key] = value;
  if (fields.cause !== undefined) out.cause = describeCause(fields.cause);
  return out;
}

/** Writes one JSON line per event to `destination` (default: standard output). */
export function createLogger(env: { readonly logLevel: LogLevel }, destination?: DestinationStream): Logger {
  const options = { level: env.logLevel, base: null, messageKey: 'event' };
  const writer = destination ? pino(options, destination) : pino(options);
  const bind = (bound: LogFields): Logger => ({
    debug: (event, fields = {}) => writer.debug(allowed({ ...bound, ...fields }), event),
    info: (event, fields = {}) => writer.info(allowed({ ...bound, ...fields }), event),
    warn: (event, fields = {}) => writer.warn(allowed({ ...bound, ...fields }), event),
    error: (event, fields = {}) => writer.error(allowed({ ...bound, ...fields }), event),
    child: (fields) => bind({ ...bound, ...fields }),
  });
  return bind({});
}

export const silentLogger: Logger = createLogger({ logLevel: 'silent' });
