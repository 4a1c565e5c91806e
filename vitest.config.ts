// Four suites: crypto (pure), server (PGlite, or PostgreSQL by TEST_DATABASE_URL), architecture (the tree itself),
// client (happy-dom). Browser journeys are Playwright's (test/e2e). `npm test` runs them all.
import { existsSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const serverSetup = './test/support/global-setup.ts';
const clientSetup = './test/client/setup.ts';

/** The longest files: begun last, they would leave the other core idle at the end. */
const LONGEST = ['test/client/crypto/model.test.ts'];

/** Project by project, as a worker is kept only for the next file of the same one; those whose workers end first. */
class Sequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = ['architecture', 'client', 'crypto', 'server'];
    const rank = ({ moduleId, project }: TestSpecification): number =>
      LONGEST.some((name) => moduleId.endsWith(name)) ? -1 : projects.indexOf(project.name);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    // Two cores are the machine we plan for: server tests each hold a database in memory.
    maxWorkers: 2,
    sequence: { sequencer: Sequencer },
    projects: [
      {
        test: {
          name: 'crypto',
          environment: 'node',
          include: ['test/crypto/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        // The server's law tests run the client's own state classes.
        plugins: [svelte({ configFile: false, compilerOptions: { runes: true } })],
        test: {
          name: 'server',
          environment: 'node',
          include: ['test/{server,jobs,shared}/**/*.test.ts'],
          globalSetup: existsSync(serverSetup) ? [serverSetup] : [],
          // A worker keeps its modules and its database from file to file (test/support/test-db.ts).
          isolate: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'architecture',
          environment: 'node',
          include: ['test/architecture/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        plugins: [svelte({ configFile: false, compilerOptions: { runes: true } }), svelteTesting()],
        test: {
          name: 'client',
          environment: 'happy-dom',
          include: ['test/client/**/*.test.ts'],
          globalSetup: ['./test/client/global-setup.ts'],
          setupFiles: existsSync(clientSetup) ? [clientSetup] : [],
          testTimeout: 20_000,
        },
      },
    ],
  },
});
