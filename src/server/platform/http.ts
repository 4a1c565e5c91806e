// The HTTP application before any route of the product: security headers, CORS, compression, request ids, health.
import compress from '@fastify/compress';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import { fastify, type FastifyError, type FastifyInstance } from 'fastify';
import { limits } from '#shared/limits.ts';
import { systemClock } from './clock.ts';
import type { Env } from './env.ts';
import { uuidv7 } from './ids.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What is not the client's page may do nothing in a browser. */
const INERT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const REQUEST_MS = 120_000;
const YEAR_S = 31_536_000;

export interface HttpAppOptions {
  readonly env: Pick<Env, 'allowedOrigins' | 'secureCookies'>;
  readonly log: Logger;
  /** Named conditions: false means it cannot serve; words, that it does with less than everything. */
  readonly ready: () => Promise<Readonly<Record<string, boolean | 'degraded' | 'down'>>>;
  readonly metrics?: Pick<Metrics, 'httpDone'>;
  /** Bytes. */
  readonly bodyLimit?: number;
}

/** Whether a browser on `origin` may send requests that change something. No Origin header is no browser: false. */
export const isAllowedOrigin = (origin: string | undefined, allowed: readonly string[]): boolean =>
  origin !== undefined && allowed.includes(origin);

/** Answers carry secrets on API routes: compressing them would tell their length (BREACH). */
const isApi = (url: string): boolean => !/^\/(assets\/|\*|$)/.test(url);

async function addHeaders(app: FastifyInstance, options: HttpAppOptions): Promise<void> {
  const { env } = options;
  await app.register(helmet, {
    contentSecurityPolicy: false,
    hsts: env.secureCookies ? { maxAge: YEAR_S, includeSubDomains: false } : false,
    referrerPolicy: { policy: 'no-referrer' },
    crossOriginEmbedderPolicy: false,
    xFrameOptions: { action: 'deny' },
  });
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (!reply.hasHeader('content-security-policy')) reply.header('content-security-policy', INERT_POLICY);
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  await app.register(cors, {
    origin: (origin, answer) => answer(null, isAllowedOrigin(origin, env.allowedOrigins)),
    credentials: true,
    methods: ['GET', 'POST'],
    maxAge: 600,
  });
  app.addHook('onRoute', (route) => {
    if (isApi(route.url)) route.compress = false;
  });
  await app.register(compress, { global: true, encodings: ['br', 'gzip'], threshold: 1024 });
}

/** Which kind of route answered, for figures. */
function kindOf(route: string | undefined): Parameters<Metrics['httpDone']>[1] {
  if (route === undefined) return 'other';
  if (route.startsWith('/trpc')) return 'api';
  if (route.startsWith('/health/')) return 'health';
  return route === '/metrics' ? 'metrics' : 'page';
}

function addLogging(app: FastifyInstance, { log, metrics }: HttpAppOptions): void {
  app.addHook('onResponse', async (request, reply) => {
    metrics?.httpDone(reply.statusCode, kindOf(request.routeOptions.url));
    log.debug('http.request', {
      requestId: request.id,
      method: request.method,
      // The route's pattern: a path may name what must not be logged.
      route: request.routeOptions.url ?? 'unmatched',
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
    });
  });
  app.setErrorHandler((cause: FastifyError, request, reply) => {
    const status = cause.statusCode && cause.statusCode >= 400 ? cause.statusCode : 500;
    if (status >= 500) log.error('http.failed', { requestId: request.id, status, cause });
    return reply
      .code(status)
      .send({ error: status >= 500 ? 'internal' : (cause.code ?? 'bad_request'), requestId: request.id });
  });
}

function addHealth(app: FastifyInstance, ready: HttpAppOptions['ready']): void {
  app.get('/health/live', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    const checks = await ready();
    const states = Object.values(checks);
    const isReady = states.every((state) => state !== false);
    const status = states.every((state) => state === true) ? 'ok' : 'degraded';
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? status : 'unavailable', checks });
  });
}

/** Builds the application; routes and the client are added by whoever composes the server. */
export async function createHttpApp(options: HttpAppOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyLimit ?? limits.httpBodyBytes,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: true,
    genReqId: () => uuidv7(systemClock),
    // Batched tRPC calls name every procedure in the path.
    routerOptions: { maxParamLength: 5_000 },
  });
  addLogging(app, options);
  await addHeaders(app, options);
  addHealth(app, options.ready);
  return app;
}
