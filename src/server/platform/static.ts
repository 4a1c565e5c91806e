// Serves the built client: hashed assets for ever, the page for every path that is no file, and the content
// security policy that holds the page to its own scripts.
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';

const FOREVER = 'public, max-age=31536000, immutable';

const policy = (directives: Readonly<Record<string, string>>): string =>
  Object.entries(directives)
    .map(([name, value]) => `${name} ${value}`)
    .join('; ');

const PAGE_POLICY = policy({
  'default-src': "'self'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' blob: data:",
  'media-src': "'self' blob:",
  'connect-src': "'self'",
  'worker-src': "'self'",
  'object-src': "'none'",
  'base-uri': "'none'",
  'form-action': "'self'",
  'frame-ancestors': "'none'",
  'require-trusted-types-for': "'script'",
  'trusted-types': 'svelte-trusted-html dompurify app',
});

/** A worker obeys the policy of its own response: only there may WebAssembly be compiled. */
const WORKER_POLICY = policy({
  'default-src': "'none'",
  'script-src': "'self' 'wasm-unsafe-eval'",
  'connect-src': "'self'",
  'require-trusted-types-for': "'script'",
  'trusted-types': "'none'",
});

/** As the bundler names them: `<name>.worker-<hash>.js`. */
const WORKER_SCRIPT = /[/\\]assets[/\\][\w.-]*worker[\w.-]*\.js$/;

function setHeaders(reply: FastifyReply, path: string): void {
  const isAsset = /[/\\]assets[/\\]/.test(path);
  reply.header('cache-control', isAsset ? FOREVER : 'no-cache');
  reply.header('content-security-policy', WORKER_SCRIPT.test(path) ? WORKER_POLICY : PAGE_POLICY);
}

/** Whether a path may be one of the client's pages: no file name in it, and none of the server's own. */
const isPagePath = (path: string): boolean =>
  !/\.[^/]*$/.test(path) && !/^\/(assets|trpc|health|metrics)(\/|$)/.test(path);

/** Adds the client in `clientDir`. Unknown paths without extension answer index.html; everything else 404. */
export async function registerStatic(app: FastifyInstance, clientDir: string): Promise<void> {
  await app.register(fastifyStatic, {
    root: clientDir,
    index: 'index.html',
    redirect: false,
    dotfiles: 'ignore',
    cacheControl: false,
    preCompressed: true,
    setHeaders,
  });
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split(/[?#]/)[0] ?? '/';
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isRead && isPagePath(path)) return reply.sendFile('index.html');
    return reply.code(404).send({ error: 'not_found', requestId: request.id });
  });
}
