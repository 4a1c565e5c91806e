// GET /metrics. With METRICS_TOKEN: for whoever holds it. Without: for this machine itself, and only while the
// instance is not published under another name. Everybody else finds nothing there.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Deps } from './deps.ts';
import { describeRequest, isLocalHost } from './request-info.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function mayRead({ env }: Deps, request: FastifyRequest): boolean {
  const { metricsToken, publicUrl } = env;
  if (metricsToken !== undefined) {
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(given), digest(metricsToken));
  }
  // The Host header too: a page elsewhere may have its name point at this machine.
  const isLocal = isLocalHost(new URL(publicUrl).hostname) && isLocalHost(request.hostname);
  return isLocal && describeRequest(request.raw, env, request.id).isLoopback;
}

export function addMetricsRoute(http: FastifyInstance, deps: Deps): void {
  http.get('/metrics', async (request, reply) => {
    if (!mayRead(deps, request)) return reply.code(404).send({ error: 'not_found', requestId: request.id });
    return reply.type(deps.metrics.contentType).send(await deps.metrics.text());
  });
}
