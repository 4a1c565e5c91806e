// The three things a build makes: the Prisma client, the server bundle, the browser client.
import { readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bin, root } from './paths.mjs';
import { prismaEnv } from './prisma-env.mjs';
import { run } from './run.mjs';

/** Packages that load files from their own folder (native code, WebAssembly) and so stay outside the bundle. */
export const RUNTIME_PACKAGES = ['@node-rs/argon2', '@electric-sql/pglite'];

/** CommonJS dependencies inside an ES module bundle expect these three names. */
const COMMONJS_BANNER = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __fileURLToPath(import.meta.url);',
  "const __dirname = __fileURLToPath(new URL('.', import.meta.url));",
].join('');

async function generateClient() {
  await run(['node', bin('prisma/build/index.js'), 'generate'], { env: prismaEnv, quiet: true });
}

/** main.ts and every file that runs as its own process or worker. */
function serverEntries() {
  const own = readdirSync(join(root, 'src/server'), { recursive: true, encoding: 'utf8' });
  const names = ['main.ts', ...own.filter((name) => /[.-](process|worker)\.ts$/.test(name))];
  return names.map((name) => ({ in: join(root, 'src/server', name), out: basename(name, '.ts') }));
}

async function bundleServer() {
  const { build } = await import('esbuild');
  rmSync(join(root, 'dist/server'), { recursive: true, force: true });
  await build({
    entryPoints: serverEntries(),
    outdir: join(root, 'dist/server'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    banner: { js: COMMONJS_BANNER },
    external: [...RUNTIME_PACKAGES, 'pg-native'],
    logLevel: 'warning',
    absWorkingDir: root,
  });
}

async function bundleClient() {
  await run(['node', bin('vite/bin/vite.js'), 'build', '--logLevel', 'warn'], {
    env: { NODE_ENV: 'production' },
  });
}

export const products = [
  {
    name: 'database client',
    inputs: ['prisma'],
    output: 'src/server/generated/prisma/client.ts',
    stamp: 'src/server/generated/.stamp',
    make: generateClient,
  },
  {
    name: 'server',
    inputs: ['src/server', 'src/shared', 'src/crypto', 'prisma'],
    output: 'dist/server/main.js',
    stamp: 'dist/server.stamp',
    make: bundleServer,
  },
  {
    name: 'client',
    inputs: ['src/client', 'src/shared', 'src/crypto', 'vite.config.ts'],
    output: 'dist/client/index.html',
    stamp: 'dist/client.stamp',
    make: bundleClient,
  },
];
