// Prisma's schema engine compiled to WebAssembly, opened in this process. It answers what the native engine would
// (diffs, migration status, applying), so authoring and checking migrations needs neither a download nor a server:
// every database it must try SQL on is a throw-away PGlite in memory.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { PGlite } from '@electric-sql/pglite';
import { PrismaPGlite } from 'pglite-prisma-adapter';

/** Catalog type "char": adapter-pg has no mapping for it, and text reads the same. */
const OID_CHAR = 18;
const OID_TEXT = 25;

let wasmGlue;

/** The glue module, bound once: it keeps views of the instance's memory, so a second instance would corrupt it. */
function loadGlue() {
  wasmGlue ??= (async () => {
    // The glue reports panics through a global; the native engine logs them as one JSON line on stderr.
    globalThis.PRISMA_WASM_PANIC_REGISTRY = {
      set_message: (message) => console.error(JSON.stringify({ level: 'ERROR', fields: { message } })),
    };
    const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
    const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
    const bytes = readFileSync(file.replace(/js$/, 'wasm'));
    const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
    glue.__wbg_set_wasm(instance.exports);
    instance.exports.__wbindgen_start();
    return glue;
  })();
  return wasmGlue;
}

async function memoryDatabase() {
  return new PrismaPGlite(await PGlite.create());
}

async function postgresDatabase(connectionString) {
  const [{ PrismaPg }, { default: pg }] = await Promise.all([import('@prisma/adapter-pg'), import('pg')]);
  const pool = new pg.Pool({ connectionString, max: 1 });
  const query = pool.query.bind(pool);
  pool.query = async (...input) => {
    const result = await query(...input);
    for (const field of result?.fields ?? []) if (field.dataTypeID === OID_CHAR) field.dataTypeID = OID_TEXT;
    return result;
  };
  return new PrismaPg(pool, { disposeExternalPool: true });
}

/**
 * A driver-adapter factory for `url`: `postgres://…`, `pglite:<folder>`, or anything else for a database in memory.
 * Shadow databases are always in memory, so no right to create databases is needed.
 * @returns {Promise<{ factory: object, close(): Promise<void> }>}
 */
export async function openTarget(url = '') {
  let factory;
  let close = async () => {};
  if (/^postgres(ql)?:/.test(url)) {
    factory = await postgresDatabase(url);
  } else {
    const folder = /^pglite:(?:\/\/)?(.+)$/.exec(url)?.[1];
    const lite = await PGlite.create(folder === 'memory' ? undefined : folder);
    factory = new PrismaPGlite(lite);
    close = () => lite.close();
  }
  factory.connectToShadowDb = async () => (await memoryDatabase()).connect();
  return { factory, close };
}

/**
 * Opens one engine.
 * @param {object} factory from openTarget
 * @param {[path: string, content: string][]} datamodels may be empty
 */
export async function openEngine(factory, datamodels = []) {
  const glue = await loadGlue();
  // An empty list makes the engine panic; undefined means "none".
  const options = { datamodels: datamodels.length > 0 ? datamodels : undefined };
  const log = process.env.SCHEMA_ENGINE_DEBUG ? (line) => console.error(line) : () => {};
  return glue.SchemaEngine.new(options, log, bindMigrationAwareSqlAdapterFactory(factory));
}
