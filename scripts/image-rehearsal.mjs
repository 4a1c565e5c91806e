// Proof of the Dockerfile without a container engine: carries out its instructions, one by one, in an empty folder
// that stands for the image's root, starts the result as the image would, asks its health check, stops it, starts it
// again and ends. `npm run rehearse-image`.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { commandOf, ignoreMatcher, parseDockerfile } from './lib/dockerfile.mjs';
import { root } from './lib/paths.mjs';
import { start, stopChildren } from './lib/run.mjs';

const READY_MS = 90_000;
/** Stands for the image's user: nobody, who may write to the data folder and nowhere else. Only root can become it. */
const NOBODY = 65_534;
const runAs = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined;
const base = mkdtempSync(join(tmpdir(), 'chatalot-image-'));
chmodSync(base, 0o755);
const stageRoots = new Map();
const isIgnored = ignoreMatcher(readFileSync(join(root, '.dockerignore'), 'utf8'));
/** What the build context holds: the tracked files and those about to be, less .dockerignore. */
const context = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)) && !isIgnored(path));

/** A path of the image inside the folder that stands for its root. */
const inside = (stage, path, workdir = '/') => join(stage, path.startsWith('/') ? path : join(workdir, path));

function copyFromContext(sources, target) {
  for (const source of sources) {
    const files =
      source === '.' ? context : context.filter((path) => path === source || path.startsWith(`${source}/`));
    if (files.length === 0) throw new Error(`COPY ${source}: nothing in the build context`);
    for (const file of files) {
      mkdirSync(dirname(join(target, file)), { recursive: true });
      cpSync(join(root, file), join(target, file));
    }
  }
}

function copy(state, args) {
  const words = args.split(/\s+/);
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
  const paths = words.filter((word) => !word.startsWith('--'));
  const target = inside(state.root, paths.at(-1), state.workdir);
  mkdirSync(target, { recursive: true });
  if (from === undefined) copyFromContext(paths.slice(0, -1), target);
  else
    for (const path of paths.slice(0, -1))
      cpSync(inside(stageRoots.get(from), path), target, { recursive: true });
}

async function shell(state, script) {
  // Absolute paths of the image mean paths under its root here, and its user is whoever runs this.
  const local = script
    .replace(/(?<=\s|^)\/(?=\w)/g, `${state.root}/`)
    .replaceAll('node:node', `${runAs?.uid ?? process.getuid()}:${runAs?.gid ?? process.getgid()}`);
  const cwd = inside(state.root, state.workdir);
  const { code, output } = await start(['sh', '-c', local], { cwd, quiet: true, env: cleanEnv() }).done;
  if (code !== 0) throw new Error(`RUN ${script} failed (${code})\n${output}`);
}

/** Nothing of this machine's settings may help. */
function cleanEnv() {
  return { NODE_ENV: undefined, DATABASE_URL: undefined, DATA_DIR: undefined, NODE_PATH: undefined };
}

async function build({ name, steps }) {
  const state = { root: join(base, name), workdir: '/', env: {}, command: [], health: [] };
  mkdirSync(state.root);
  stageRoots.set(name, state.root);
  for (const { op, args } of steps) {
    console.log(`${name}: ${op} ${args}`);
    if (op === 'WORKDIR') mkdirSync(inside(state.root, (state.workdir = args)), { recursive: true });
    else if (op === 'COPY') copy(state, args);
    else if (op === 'RUN') await shell(state, args);
    else if (op === 'ENV')
      Object.assign(state.env, Object.fromEntries(args.split(/\s+/).map((pair) => pair.split('='))));
    else if (op === 'CMD') state.command = commandOf(args);
    else if (op === 'HEALTHCHECK') state.health = commandOf(args);
    else if (!['USER', 'VOLUME', 'EXPOSE'].includes(op)) throw new Error(`unknown instruction ${op}`);
  }
  return state;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(String(port)));
    });
  });
}

async function runOnce({ root: image, workdir, env, command, health }) {
  const settings = {
    ...cleanEnv(),
    ...env,
    PORT: await freePort(),
    HOST: '127.0.0.1',
    DATA_DIR: inside(image, env.DATA_DIR),
  };
  const options = { user: runAs, cwd: inside(image, workdir), env: settings, quiet: true };
  const began = Date.now();
  const server = start(command, options);
  while ((await start(health, options).done).code !== 0) {
    if (server.child.exitCode !== null || Date.now() - began > READY_MS) {
      server.child.kill('SIGKILL');
      throw new Error(`the server did not become ready\n${(await server.done).output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const readyMs = Date.now() - began;
  const page = await fetch(`http://127.0.0.1:${settings.PORT}/`);
  if (!page.ok || !(await page.text()).includes('<script'))
    throw new Error(`/ answered ${page.status}, not the client`);
  server.child.kill('SIGTERM');
  const { code, output } = await server.done;
  if (code !== 0) throw new Error(`SIGTERM ended the server with exit code ${code}\n${output}`);
  return readyMs;
}

function sizeOf(path) {
  return Number(execFileSync('du', ['-sk', path], { encoding: 'utf8' }).split('\t')[0]) / 1024;
}

try {
  const stages = parseDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  let image;
  for (const stage of stages) image = await build(stage);
  // The build stage is not part of the image: nothing may reach back into it.
  rmSync(join(base, 'build'), { recursive: true });
  const first = await runOnce(image);
  const second = await runOnce(image);
  const secrets = statSync(join(inside(image.root, image.env.DATA_DIR), 'secrets'));
  if ((secrets.mode & 0o077) !== 0) throw new Error('the secrets folder is readable by others');
  console.log(`Image contents: ${sizeOf(join(image.root, 'app')).toFixed(0)} MB beside the Node base image.`);
  console.log(`Ready after ${first} ms (first start), ${second} ms (second start). The rehearsal held.`);
} finally {
  stopChildren('SIGKILL');
  rmSync(base, { recursive: true, force: true });
}
