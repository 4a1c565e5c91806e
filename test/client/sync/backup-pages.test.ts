// Pages of the backup are fetched ahead, and only what the engine asks for is handed to it.
import { describe, expect, it } from 'vitest';
import type { BackupStep } from '#client/crypto/protocol.ts';
import { takePages, type PageRange } from '#client/sync/backup-pages.ts';
import type { BackupPage } from '#shared/backup.ts';

const behind = (from: number, to: number, version = 1): BackupStep => ({
  ...{ state: 'behind', version, from, to, unlocked: [] },
});
const current: BackupStep = { state: 'current', unlocked: [] };

/** A server with pages of ten entries, and an engine that answers one step after the other. */
function run(steps: BackupStep[], fail?: (range: PageRange) => boolean) {
  const events: string[] = [];
  const fetch = (range: PageRange): Promise<BackupPage> => {
    const { version, from, to } = range;
    events.push(`ask ${version}: ${from}-${to}`);
    if (fail?.(range)) return Promise.reject(new Error('the network went'));
    return Promise.resolve({ from: Math.max(from, to - 10), entries: [] });
  };
  const take = async (page: BackupPage): Promise<BackupStep> => {
    events.push(`open ${page.from}`);
    await new Promise((resolve) => setTimeout(resolve));
    return steps.shift()!;
  };
  return { events, done: takePages(steps.shift()!, { fetch, take }) };
}

describe('pages of the backup', () => {
  it('are asked for while the one before is opened, each once', async () => {
    const { events, done } = run([behind(5, 30), behind(5, 20), behind(5, 10), current]);
    expect(await done).toBe(current);
    expect(events).toEqual(['ask 1: 5-30', 'ask 1: 5-20', 'open 20', 'ask 1: 5-10', 'open 10', 'open 5']);
  });

  it('that were guessed wrongly are dropped', async () => {
    const { events, done } = run([behind(0, 20, 2), behind(0, 10, 1), current]);
    expect(await done).toBe(current);
    expect(events).toEqual(['ask 2: 0-20', 'ask 2: 0-10', 'open 10', 'ask 1: 0-10', 'open 0']);
  });

  it('fail where they are needed, and only there', async () => {
    const isRest = ({ to }: PageRange): boolean => to === 10;
    await expect(run([behind(0, 20), behind(0, 10), current], isRest).done).rejects.toThrow(
      'the network went',
    );
    expect(await run([behind(0, 20), current], isRest).done).toBe(current);
  });

  it('end at once where nothing is missing', async () => {
    const { events, done } = run([current]);
    expect(await done).toBe(current);
    expect(events).toEqual([]);
  });
});
