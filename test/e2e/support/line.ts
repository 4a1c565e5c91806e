// A line between a browser and its server that garbles what devices send one another, and says another time. The server
// answers for both towards a browser, so to the client this is a hostile server.
import type { Page, WebSocketRoute } from '@playwright/test';

const FLIPPED_FROM_END = 8;

/** One letter of every packet's bytes is another one, wherever in the answer packets are. */
function garble(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const found = value as Record<string, unknown>;
  const { bytes } = found;
  if (typeof bytes === 'string' && 'senderDeviceId' in found && !('channelId' in found)) {
    const at = bytes.length - FLIPPED_FROM_END;
    found.bytes = `${bytes.slice(0, at)}${bytes[at] === 'A' ? 'B' : 'A'}${bytes.slice(at + 1)}`;
  }
  for (const inner of Object.values(found)) garble(inner);
}

interface Said {
  readonly result?: { readonly data?: { readonly json?: { readonly type?: string; now?: number } } };
}

export class HostileLine {
  isGarbling = false;
  readonly #open = new Set<WebSocketRoute>();
  #aheadMs = 0;

  /** Everything this page hears goes over the line from here on. */
  async under(page: Page): Promise<void> {
    await page.routeWebSocket(/.*/, (socket) => {
      const server = socket.connectToServer();
      this.#open.add(socket);
      server.onMessage((message) => socket.send(typeof message === 'string' ? this.#told(message) : message));
    });
  }

  /** Time passes: connections break, and the server's clock, which browsers go by, is so much ahead when they are back. */
  async later(ms: number): Promise<void> {
    this.#aheadMs += ms;
    const broken = [...this.#open];
    this.#open.clear();
    for (const socket of broken) await socket.close();
  }

  #told(message: string): string {
    if (!message.startsWith('{') && !message.startsWith('[')) return message;
    const said: unknown = JSON.parse(message);
    if (this.isGarbling) garble(said);
    const event = (said as Said).result?.data?.json;
    if (event?.type === 'live.opened') event.now = (event.now ?? 0) + this.#aheadMs;
    return JSON.stringify(said);
  }
}
