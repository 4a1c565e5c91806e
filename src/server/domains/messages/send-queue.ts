// The commit queue of sends: whatever arrives while a batch is in flight forms the next one. A channel always
// takes the same lane, so its order is the order of arrival.
import type { Clock } from '../../platform/clock.ts';
import { CommitQueue } from '../../platform/commit-queue.ts';
import type { Database } from '../../platform/db.ts';
import type { Logger } from '../../platform/log.ts';
import type { Metrics } from '../../platform/metrics.ts';
import type { Audience } from '#shared/events.ts';
import type { ChannelId, CommunityId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { SendGrants } from './send-grants.ts';
import { runSendStatement, type SendRow, type SendVerdict } from './send-statement.ts';

/** The queue, and what early refusals need not ask again. */
export class SendQueue extends CommitQueue<SendRow, SendVerdict> {
  readonly grants = new SendGrants();
}

const failed: SendVerdict = {
  verdict: 'failed',
  seq: null,
  ordinal: null,
  createdAt: null,
  epoch: null,
  devicesVersion: null,
  audienceCommunityId: null,
  waitMs: 0,
  posted: [],
};

/**
 * One batch. Rows that must not share a statement are judged alone, after the others: redactions (they must see
 * the edits stored before them, and a statement does not see its own inserts) and rows that collided inside the
 * batch. By then the others are committed, so a failure of one of these is answered for it alone.
 */
async function settle(
  deps: { db: Database; log: Logger; clock: Clock },
  rows: readonly SendRow[],
): Promise<SendVerdict[]> {
  const verdicts: SendVerdict[] = rows.map(() => ({ ...failed, verdict: 'again' }));
  const together = rows.flatMap((row, at) => (row.class === 'redact' && rows.length > 1 ? [] : [at]));
  const batch = together.map((at) => rows[at]).filter((row) => row !== undefined);
  const first = batch.length > 0 ? await runSendStatement(deps.db, batch, deps.clock.now()) : [];
  for (const [i, verdict] of first.entries()) verdicts[together[i] ?? 0] = verdict;
  for (const [at, row] of rows.entries()) {
    if (verdicts[at]?.verdict !== 'again') continue;
    try {
      const [alone] = await runSendStatement(deps.db, [row], deps.clock.now());
      verdicts[at] = alone ?? failed;
    } catch (cause) {
      deps.log.error('send.failed', { cause });
      verdicts[at] = failed;
    }
  }
  return verdicts;
}

/**
 * How long a channel rests after a message, in milliseconds: delivering may take a tenth of a core per channel. Writing to
 * a socket costs the same for one event as for five, so what is said meanwhile shares a commit and a write to each.
 * A message after a quiet moment never waits, and small channels never do.
 */
export function restAfterFanOut(listeners: number): number {
  const restMs = (listeners * limits.fanOutRestUs) / 1000;
  return restMs < limits.fanOutRestMinMs ? 0 : Math.min(restMs, limits.fanOutRestMaxMs);
}

export function createSendQueue(deps: {
  db: Database;
  log: Logger;
  clock: Clock;
  metrics: Metrics;
  /** Who hears of it at once, in numbers. */
  live: { listeners(audience: Audience): number };
}): SendQueue {
  // The embedded database runs one statement at a time: a second lane would only halve the batches.
  const lanes = deps.db.kind === 'pglite' ? 1 : 2;
  return new SendQueue({
    lanes,
    maxBatch: limits.commitBatch,
    gatherMs: limits.commitGatherMs * lanes,
    laneKey: (row) => row.channelId,
    commit: (rows) => settle(deps, rows),
    onBatch: (batch) => deps.metrics.batchDone(batch),
    restMs(row, { verdict, audienceCommunityId }) {
      if (verdict !== 'stored') return 0;
      const communityId = audienceCommunityId as CommunityId | null;
      const channelId = row.channelId as ChannelId;
      return restAfterFanOut(deps.live.listeners({ to: 'channel', channelId, communityId }));
    },
  });
}
