#!/usr/bin/env node
// Stand-in for the native schema engine Prisma's command line would otherwise download: the same arguments and the
// same line-delimited JSON-RPC on stdin and stdout, answered by the WebAssembly engine. Enough for `migrate status`,
// `migrate deploy`, `migrate resolve` and `migrate diff`; new migrations are written by `npm run db:migrate`.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openEngine, openTarget } from './lib/migration-engine.mjs';

/** The CLI names one method differently from the WebAssembly interface. */
const RENAMED = { getDatabaseVersion: 'version' };
/** "Unknown error" in the CLI's own numbering; it prints the message that comes with it. */
const RPC_ERROR = 4466;

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).flatMap(unfoldDatamodels),
  options: { datasource: { type: 'string' }, datamodels: { type: 'string', multiple: true } },
  allowPositionals: true,
  strict: false,
});
const url = JSON.parse(values.datasource ?? '{}').url;

if (positionals[0] === 'cli') await runCliCommand(positionals[1]);
else await serve();

/** `--datamodels a b c` arrives as one flag with many values; parseArgs wants the flag before each. */
function unfoldDatamodels(arg, index, all) {
  const isMore = index > 1 && arg.endsWith('.prisma') && all[index - 1].endsWith('.prisma');
  return isMore ? ['--datamodels', arg] : [arg];
}

async function runCliCommand(command) {
  try {
    if (command !== 'can-connect-to-database') throw new Error(`unsupported command: ${command}`);
    const { factory, close } = await openTarget(url);
    await (await factory.connect()).dispose();
    await close();
  } catch (cause) {
    // The CLI skips the first line of stderr and reads the error from the second.
    const fields = { error_code: 'P1001', message: String(cause?.message ?? cause) };
    process.stderr.write(`\n${JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields })}`);
    process.exitCode = 1;
  }
}

async function serve() {
  const target = await openTarget(url);
  let engine;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = line.trim() === '' ? {} : JSON.parse(line);
    if (!request.method) continue; // an acknowledgement of something we printed
    engine ??= await openEngine(
      target.factory,
      (values.datamodels ?? []).map((path) => [path, readFileSync(path, 'utf8')]),
    );
    reply({ id: request.id, ...(await answer(engine, request)) });
  }
  await target.close();
}

async function answer(engine, { id, method, params }) {
  try {
    const input =
      method === 'diff' ? { filters: { externalTables: [], externalEnums: [] }, ...params } : params;
    const result = (await engine[RENAMED[method] ?? method](input)) ?? {};
    // The native engine prints a diff by asking the CLI to.
    if (method === 'diff' && result.stdout)
      reply({ id: `print-${id}`, method: 'print', params: { content: result.stdout } });
    return { result };
  } catch (cause) {
    const message = String(cause?.message ?? cause);
    const data = { is_panic: false, message, error_code: cause?.code ?? null, meta: cause?.meta ?? null };
    return { error: { code: RPC_ERROR, message, data } };
  }
}

function reply(message) {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}
