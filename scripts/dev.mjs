// npm run dev: the API restarts on change (tsx watch) on PORT + 1, Vite serves the client with hot updates on PORT
// and forwards API calls. Development data lives in data/dev.
import { existsSync } from 'node:fs';
import { bin } from './lib/paths.mjs';
import { run, start, stopChildren } from './lib/run.mjs';

if (existsSync('.env')) process.loadEnvFile('.env');
const port = Number(process.env.PORT || 8080);
const apiPort = String(port + 1);
const host = process.env.HOST || '127.0.0.1';

await run(['node', 'scripts/build.mjs', '--stale', '--generate']);
try {
  const api = start(
    ['node', bin('tsx/dist/cli.mjs'), 'watch', '--clear-screen=false', 'src/server/main.ts'],
    {
      env: {
        NODE_ENV: 'development',
        HOST: '127.0.0.1',
        PORT: apiPort,
        PUBLIC_URL: process.env.PUBLIC_URL || `http://localhost:${port}`,
        DATA_DIR: process.env.DATA_DIR || 'data/dev',
      },
    },
  );
  const client = start(['node', bin('vite/bin/vite.js'), '--port', String(port), '--host', host], {
    env: { API_PORT: apiPort },
  });
  const { code } = await Promise.race([api.done, client.done]);
  process.exitCode = code;
} finally {
  stopChildren();
}
