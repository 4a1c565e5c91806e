// Before anybody is signed in only the entry tables of words are loaded: whatever those screens can reach keeps to them.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { enApp } from '#client/lib/messages/en-app.ts';

const root = resolve(import.meta.dirname, '../..');
const client = join(root, 'src/client');

/** Loaded together with the words of the app, or after them. */
const behind = [
  'sync/workspace.svelte.ts',
  'lib/messages/app-texts.ts',
  'features/session/ReauthDialog.svelte',
  ...['ConversationRoute', 'SettingsPage', 'StartPage'].map((page) => `pages/${page}.svelte`),
].map((path) => join(client, path));

const valueImport = /(?:^|\s)(?:import|export)\s(?!type\b)(?:[^'";]*?from\s)?'([^']+)'|import\('([^']+)'\)/gm;

function imported(file: string): string[] {
  const found: string[] = [];
  for (const [, by, lazily] of readFileSync(file, 'utf8').matchAll(valueImport)) {
    const name = by ?? lazily ?? '';
    if (name.startsWith('#client/')) found.push(join(client, name.slice('#client/'.length)));
    else if (name.startsWith('.')) found.push(resolve(dirname(file), name));
  }
  return found.filter((path) => /\.(ts|svelte)$/.test(path) && existsSync(path));
}

function reachable(start: string): string[] {
  const seen = new Set<string>();
  const queue = [start];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file) || behind.includes(file)) continue;
    seen.add(file);
    queue.push(...imported(file));
  }
  return [...seen];
}

it('the screens before the log-in use no words that come with the app', () => {
  const files = reachable(join(client, 'main.ts'));
  for (const page of ['LoginPage', 'RegisterPage', 'InvitePage', 'ResetPage', 'SetupPage'])
    expect(files).toContain(join(client, `pages/${page}.svelte`));
  const early = files
    .filter((file) => !file.includes('/lib/messages/'))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8');
      return Object.keys(enApp).flatMap((key) => (text.includes(`'${key}'`) ? [`${key} in ${file}`] : []));
    });
  expect(early).toEqual([]);
});
