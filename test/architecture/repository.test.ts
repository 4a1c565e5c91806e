// Rules about the tree that no linter sees: names, sizes, headers, the lockfile, and hosts that must not be named.
import { describe, expect, it } from 'vitest';
import { lineCount, read, sourceFiles } from './tree.ts';

const files = sourceFiles();
const code = files.filter((path) => /\.(ts|mjs|cjs|js|svelte)$/.test(path));

/** Largest number of lines a file may have (architecture, names and sizes). */
function allowedLines(path: string): number {
  if (path.startsWith('test/')) return 500;
  if (path.startsWith('src/crypto/')) return 450;
  return path.endsWith('.svelte') ? 200 : 300;
}

/** Files whose first lines must say what they are for. */
const needsHeader = (path: string): boolean =>
  /^(src\/crypto|src\/server\/platform|src\/client\/sync|scripts)\/.*\.(ts|mjs)$/.test(path) ||
  /^src\/client\/.*\.svelte\.ts$/.test(path);

describe('files', () => {
  it('stay within their size', () => {
    const tooBig = code.filter((path) => lineCount(read(path)) > allowedLines(path));
    expect(tooBig).toEqual([]);
  });

  it('are named in kebab-case, components in PascalCase', () => {
    const wellNamed = (path: string): boolean => {
      const name = path.split('/').at(-1) ?? '';
      if (name.endsWith('.svelte')) return /^[A-Z][A-Za-z0-9]*\.svelte$/.test(name);
      return /^\.?[a-z0-9]+(?:[-.][a-z0-9]+)*\.[a-z]+$/.test(name);
    };
    const inSource = code.filter((path) => /^(src|test|scripts)\//.test(path));
    expect(inSource.length).toBeGreaterThan(50);
    expect(inSource.filter((path) => !wellNamed(path))).toEqual([]);
  });

  it('of crypto, platform, sync, state and scripts begin with a comment that says what they are for', () => {
    const bare = files.filter(needsHeader).filter((path) => !/^(#!.*\n)?(\/\/|\/\*)/.test(read(path)));
    expect(bare).toEqual([]);
  });
});

describe('the lockfile', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<
      string,
      {
        resolved?: string;
        integrity?: string;
        inBundle?: boolean;
        hasInstallScript?: boolean;
        optionalDependencies?: Record<string, string>;
      }
    >;
  };
  const entries = Object.entries(packages).filter(([path]) => path !== '');

  it('names no download address and has a hash for every package', () => {
    expect(entries.length).toBeGreaterThan(100);
    const paths = (rows: typeof entries): string[] => rows.map(([path]) => path);
    expect(paths(entries.filter(([, entry]) => entry.resolved !== undefined))).toEqual([]);
    // A bundled package comes inside its parent's archive, whose hash covers it.
    expect(paths(entries.filter(([, entry]) => entry.integrity === undefined && !entry.inBundle))).toEqual(
      [],
    );
  });

  it('knows the binaries of every platform, so that npm ci works on each', () => {
    const missing = entries.flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  it('brings no install script that package.json has not decided about', () => {
    const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> };
    const withScript = entries.filter(([, entry]) => entry.hasInstallScript).map(([path]) => path);
    const undecided = withScript.filter(
      (path) => !(path.slice(path.lastIndexOf('node_modules/') + 13) in allowScripts),
    );
    expect(undecided).toEqual([]);
  });
});

describe('tracked text', () => {
  // Put together here, so that this file does not name them either.
  const hosts = [
    ['registry', 'npmjs', 'org'],
    ['registry', 'yarnpkg', 'com'],
    ['npm', 'pkg', 'github', 'com'],
    ['registry', 'npmmirror', 'com'],
    ['registry', 'docker', 'io'],
  ].map((parts) => parts.join('.'));
  const isText = (path: string): boolean => !/\.(png|jpe?g|webp|ico|woff2?|wasm|gz)$/.test(path);

  it('names no package registry', () => {
    const naming = files.filter(isText).filter((path) => hosts.some((host) => read(path).includes(host)));
    expect(naming).toEqual([]);
  });

  it('holds no marks of unfinished work in code', () => {
    const mark = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'HA' + 'CK'].join('|')})\\b`);
    expect(code.filter((path) => mark.test(read(path)))).toEqual([]);
  });
});
