// The fixture every journey starts from: a server of its own, and people in browsers that share nothing. What the
// browsers report as broken (script errors, violations of the content security policy) fails the journey.
import { test as base, type Browser, type BrowserContext, type Page } from '@playwright/test';
import { TestServer } from './server.ts';

export { expect } from '@playwright/test';

export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
}

interface Fixtures {
  server: TestServer;
  /** Opens one more browser, with nothing in it. */
  visit: (options?: Parameters<Browser['newContext']>[0]) => Promise<Visitor>;
}

/** While one journey runs, the server of the next one gets ready. */
class Servers {
  #next: Promise<TestServer> | null = null;

  take(): Promise<TestServer> {
    const taken = this.#next ?? TestServer.start();
    this.#next = TestServer.start();
    // Whoever takes it learns of a failure.
    this.#next.catch(() => undefined);
    return taken;
  }

  async close(): Promise<void> {
    const unused = await this.#next?.catch(() => null);
    await unused?.remove();
  }
}

/** Failed loads are journeys' own doing (offline, restart, refused calls); everything else is ours. */
const isExpected = (text: string): boolean =>
  /Failed to load resource|WebSocket connection to|ERR_|net::/.test(text);

function watch(page: Page, faults: string[]): void {
  page.on('pageerror', (error) => faults.push(`${page.url()}: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !isExpected(message.text())) {
      faults.push(`${page.url()}: ${message.text()}`);
    }
  });
}

export const test = base.extend<Fixtures, { servers: Servers }>({
  // Playwright wants a destructured first parameter, also where no fixture is needed.
  servers: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      await TestServer.prepare();
      const servers = new Servers();
      await use(servers);
      await servers.close();
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  server: async ({ servers }, use) => {
    const server = await servers.take();
    await use(server);
    await server.remove();
  },
  visit: async ({ browser }, use) => {
    const contexts: BrowserContext[] = [];
    const faults: string[] = [];
    await use(async (options) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      context.on('page', (page) => watch(page, faults));
      const page = await context.newPage();
      return { page, context };
    });
    for (const context of contexts) await context.close();
    if (faults.length > 0) throw new Error(`browsers reported:\n${faults.join('\n')}`);
  },
});
