// Builds the gallery, serves it under the product's content security policy and takes screenshots of every page.
// Run: npx tsx test/gallery/shoot.ts [out folder] [page filter]. Exits 1 when a page logs an error or breaks the policy.
import { mkdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import tailwindcss from '@tailwindcss/vite';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium, type Browser, type Page } from '@playwright/test';
import { build } from 'vite';

const POLICY = [
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; object-src 'none'",
  "base-uri 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html dompurify app",
].join('; ');
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
const PAGES = [
  ...['chat', 'chat.list', 'chat.panel', 'dm', 'empty', 'skeleton', 'states'],
  ...['setup.account', 'setup.recovery', 'setup.retype', 'setup.server', 'setup.community', 'setup.invite'],
  ...['entry.login', 'entry.register', 'entry.invite'],
  ...['floats.menu', 'floats.emoji', 'floats.dialog', 'floats.sheet', 'floats.toast'],
];
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const MODES = ['light', 'dark'] as const;

const root = fileURLToPath(new URL('.', import.meta.url));
const [out = join(tmpdir(), 'ui-kit', 'shots'), filter = ''] = process.argv.slice(2);
const dist = join(tmpdir(), 'ui-kit', 'gallery');

async function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = pathname === '/' ? '/index.html' : pathname;
    readFile(join(dist, file)).then(
      (body) => {
        response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
        response.setHeader('content-security-policy', POLICY);
        response.end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** What axe finds at levels A and AA, one line per fault. */
async function axeFaults(tab: Page, name: string): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page: tab })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${name}: axe ${id}: ${node.html.slice(0, 160)}`),
  );
}

async function shootPage(browser: Browser, url: string, page: string): Promise<string[]> {
  const faults: string[] = [];
  for (const [size, viewport] of Object.entries(SIZES)) {
    const context = await browser.newContext({
      viewport,
      hasTouch: size === 'phone',
      isMobile: size === 'phone',
    });
    const tab = await context.newPage();
    tab.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        faults.push(`${page}: ${message.text()}`);
    });
    tab.on('pageerror', (error) => faults.push(`${page}: ${error.message}`));
    for (const mode of MODES) {
      await tab.goto(`${url}?page=${page}&mode=${mode}`);
      await tab.waitForTimeout(page.startsWith('floats') ? 1500 : 350);
      if (page === 'chat' && size === 'wide') await tab.locator('[data-message=m8]').hover();
      await tab.waitForTimeout(100);
      faults.push(...(await axeFaults(tab, `${page} ${size} ${mode}`)));
      await tab.screenshot({ path: join(out, `${page}-${size}-${mode}.png`) });
    }
    await context.close();
  }
  return faults;
}

await mkdir(out, { recursive: true });
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  plugins: [tailwindcss(), svelte({ configFile: false, compilerOptions: { runes: true } })],
  css: { transformer: 'lightningcss' },
  build: {
    outDir: dist,
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
const server = await serve();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' });
const faults: string[] = [];
try {
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
  for (const page of PAGES.filter((name) => name.includes(filter)))
    faults.push(...(await shootPage(browser, url, page)));
} finally {
  await browser.close();
  server.close();
}
for (const fault of faults) console.error(fault);
console.log(`shots in ${out}; ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
