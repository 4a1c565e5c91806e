// Runs once per vitest run: what the servers of these tests start with.
import { TestServer } from '../e2e/support/server.ts';

/** Called by vitest. */
export const setup = async (): Promise<void> => void (await TestServer.prepare({ fromSource: true }));
