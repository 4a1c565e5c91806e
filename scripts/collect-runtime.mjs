// Puts what a server needs at run time, and nothing else, into one folder: the bundles, the migrations, the health
// check, and the packages the bundle leaves outside with everything they depend on.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './lib/paths.mjs';
import { RUNTIME_PACKAGES } from './lib/products.mjs';

const target = resolve(process.argv[2] ?? 'out');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;

/** Where Node would find `name` from the package at `from` (lockfile keys), or undefined if it is not installed. */
function locate(name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const key = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (key in lock && existsSync(join(root, key))) return key;
    if (at === '') return undefined;
  }
}

/** Installed packages `names` lead to; an optional one of another platform is simply not there. */
function closure(names) {
  const found = new Set();
  const visit = (name, from, isOptional) => {
    const key = locate(name, from);
    if (key === undefined) {
      if (isOptional) return;
      throw new Error(`${name} (needed by ${from || 'the bundle'}) is not installed`);
    }
    if (found.has(key)) return;
    found.add(key);
    for (const dependency of Object.keys(lock[key].dependencies ?? {})) visit(dependency, key, false);
    for (const dependency of Object.keys(lock[key].optionalDependencies ?? {})) visit(dependency, key, true);
  };
  for (const name of names) visit(name, '', false);
  return found;
}

mkdirSync(target, { recursive: true });
for (const path of [
  'dist/server',
  'dist/client',
  'prisma/migrations',
  'LICENSE',
  ...closure(RUNTIME_PACKAGES),
]) {
  cpSync(join(root, path), join(target, path), { recursive: true, dereference: true });
}
cpSync(join(root, 'scripts/healthcheck.mjs'), join(target, 'healthcheck.mjs'));
const { name, version, license, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
writeFileSync(
  join(target, 'package.json'),
  `${JSON.stringify({ name, version, license, type: 'module', private: true, engines }, null, 2)}\n`,
);
console.log(`Collected the runtime in ${target}.`);
