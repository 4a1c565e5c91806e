// npm run prisma -- <arguments>: Prisma's command line without its download, its update check and its telemetry.
import { prismaEnv } from './lib/prisma-env.mjs';
import { bin } from './lib/paths.mjs';
import { start } from './lib/run.mjs';

const command = ['node', bin('prisma/build/index.js'), ...process.argv.slice(2)];
process.exitCode = (await start(command, { env: prismaEnv }).done).code;
