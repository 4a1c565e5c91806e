// Prisma's command line looks for a native engine and would download one. Any existing executable stops that.
import { join } from 'node:path';
import { root } from './paths.mjs';

export const prismaEnv = {
  PRISMA_SCHEMA_ENGINE_BINARY: join(root, 'scripts/schema-engine.mjs'),
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  CHECKPOINT_DISABLE: '1',
};
