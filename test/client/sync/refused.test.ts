// A live connection whose token the server does not take: whoever owns the connection is told, each time.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LiveConnection } from '#client/api/live.svelte.ts';
import { eventually, Town } from '../support/town.ts';

let town: Town;

beforeAll(async () => {
  town = await Town.start();
}, 120_000);
afterAll(() => town.stop());

it('asks for another token as often as the server refuses one', async () => {
  let asked = 0;
  let refused = 0;
  const live = new LiveConnection({
    token: () => {
      asked += 1;
      return Promise.resolve('worn out');
    },
    currentToken: () => null,
    onOpened: () => expect.unreachable(),
    onEvent: () => expect.unreachable(),
    onRefused: () => void (refused += 1),
  });
  live.start();
  try {
    while (asked < 20) {
      await eventually(() => expect([live.status, refused]).toEqual(['waiting', asked]));
      live.tryNow();
    }
  } finally {
    live.stop();
  }
}, 60_000);
