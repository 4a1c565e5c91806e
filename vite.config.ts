// The browser client: root src/client, output dist/client, served by our own server in production.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vite';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The API the dev server forwards to; scripts/dev.mjs sets it when it picks another port. */
const api = `http://127.0.0.1:${process.env.API_PORT ?? '8081'}`;

export default defineConfig({
  root: at('./src/client'),
  publicDir: at('./src/client/public'),
  cacheDir: at('./node_modules/.vite'),
  plugins: [tailwindcss(), svelte({ configFile: false, compilerOptions: { runes: true } })],
  css: { transformer: 'lightningcss' },
  worker: { format: 'es' },
  build: {
    outDir: at('./dist/client'),
    emptyOutDir: true,
    target: 'es2023',
    cssMinify: 'lightningcss',
    modulePreload: { polyfill: false },
    // Inlined assets would be data: URLs, which the content security policy refuses.
    assetsInlineLimit: 0,
    sourcemap: true,
    reportCompressedSize: false,
  },
  server: {
    strictPort: true,
    proxy: {
      '/trpc': { target: api, ws: true },
      '/health': { target: api },
    },
  },
});
