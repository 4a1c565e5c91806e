// What /metrics tells beyond the process itself: numbers that live in the hub, the queues, the board and the disk.
import type { Deps } from './deps.ts';
import type { Bus } from './platform/bus.ts';
import type { LiveMetrics } from './platform/live-hub.ts';
import type { Readout, Reading } from './platform/metrics.ts';

type Live = keyof LiveMetrics;

const LIVE_COUNTERS: Partial<Record<Live, { readonly name: string; readonly help: string }>> = {
  published: { name: 'live_events', help: 'Events published to live subscriptions.' },
  deliveries: { name: 'live_deliveries', help: 'Events handed to a connection.' },
  writes: { name: 'live_writes', help: 'Writes to sockets.' },
  bytes: { name: 'live_bytes', help: 'Bytes written to sockets.' },
  slowClosed: { name: 'live_slow_closed', help: 'Connections cut because they read too slowly.' },
  holesRead: { name: 'live_holes_read', help: 'Gaps in a channel filled from the log.' },
};

function liveReadouts(live: LiveMetrics, sockets: () => number): Readout[] {
  const counters = Object.entries(LIVE_COUNTERS).map(([key, { name, help }]): Readout => ({
    name: `chatalot_${name}_total`,
    help,
    kind: 'counter',
    read: () => [{ value: live[key as Live] }],
  }));
  return [
    {
      name: 'chatalot_sockets',
      help: 'Signed-in sockets.',
      kind: 'gauge',
      read: () => [{ value: sockets() }],
    },
    {
      name: 'chatalot_live_connections',
      help: 'Live subscriptions by how they are written.',
      kind: 'gauge',
      labels: ['mode'],
      read: () => [
        { labels: { mode: 'bound' }, value: live.bound },
        { labels: { mode: 'plain' }, value: live.plain },
        { labels: { mode: 'opening' }, value: live.connections - live.bound - live.plain },
      ],
    },
    ...counters,
  ];
}

/** Told only where there may be other nodes. */
export function nodeReadouts(bus: Pick<Bus<unknown>, 'isUp' | 'peers'>): Readout[] {
  return [
    {
      name: 'chatalot_redis_up',
      help: 'Whether this node can reach the others through Redis.',
      kind: 'gauge',
      read: () => [{ value: bus.isUp ? 1 : 0 }],
    },
    {
      name: 'chatalot_nodes',
      help: 'Nodes of the instance that live, this one included.',
      kind: 'gauge',
      read: () => [{ value: bus.peers + 1 }],
    },
  ];
}

function storeReadouts({ sends, db, disk }: Deps): Readout[] {
  return [
    {
      name: 'chatalot_commit_queue_depth',
      help: 'Sends taken in and not yet settled.',
      kind: 'gauge',
      read: () => [{ value: sends.depth }],
    },
    {
      name: 'chatalot_database_syncs_total',
      help: 'Files and folders the embedded database flushed to disk.',
      kind: 'counter',
      read: () => [{ value: db.syncs().files + db.syncs().folders }],
    },
    {
      name: 'chatalot_disk_free_bytes',
      help: 'Free on the disk of the data folder; absent where the system does not tell.',
      kind: 'gauge',
      read: () => (disk.freeBytes === null ? [] : [{ value: disk.freeBytes }]),
    },
    {
      name: 'chatalot_disk_reserve_bytes',
      help: 'Below this much free, writes that grow history are refused.',
      kind: 'gauge',
      read: () => [{ value: disk.reserveBytes }],
    },
    {
      name: 'chatalot_disk_low',
      help: '1 while writes that grow history are refused.',
      kind: 'gauge',
      read: () => [{ value: disk.isLow ? 1 : 0 }],
    },
  ];
}

function jobReadouts({ jobs }: Deps): Readout[] {
  const each = (read: (job: ReturnType<typeof jobs.list>[number]) => Reading[]) => (): Reading[] =>
    jobs
      .list()
      .flatMap((job) =>
        read(job).map(({ labels, value }) => ({ labels: { job: job.name, ...labels }, value })),
      );
  return [
    {
      name: 'chatalot_job_runs_total',
      help: 'Runs of background work on this node by outcome.',
      kind: 'counter',
      labels: ['job', 'outcome'],
      read: each(({ totals }) => [
        { labels: { outcome: 'ok' }, value: totals.ok },
        { labels: { outcome: 'failed' }, value: totals.failed },
      ]),
    },
    {
      name: 'chatalot_job_handled_total',
      help: 'Rows or entries background work dealt with on this node.',
      kind: 'counter',
      labels: ['job'],
      read: each(({ totals }) => [{ value: totals.handled }]),
    },
    {
      name: 'chatalot_job_last_run_seconds',
      help: 'When the newest run on this node ended, seconds since the epoch.',
      kind: 'gauge',
      labels: ['job'],
      read: each(({ lastRun }) => (lastRun?.finishedAt ? [{ value: lastRun.finishedAt / 1000 }] : [])),
    },
    {
      name: 'chatalot_job_duration_seconds',
      help: 'How long the newest run on this node took.',
      kind: 'gauge',
      labels: ['job'],
      read: each(({ lastRun, durationMs }) => (lastRun ? [{ value: durationMs / 1000 }] : [])),
    },
  ];
}

export const readouts = (deps: Deps, live: LiveMetrics, sockets: () => number): Readout[] => [
  ...liveReadouts(live, sockets),
  ...storeReadouts(deps),
  ...jobReadouts(deps),
];
