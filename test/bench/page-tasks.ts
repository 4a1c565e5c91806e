// What the page's own thread did between two moments, task by task, out of Chromium's own trace: how long each took, and
// how much of that it really ran, which is what remains on a machine that other work is on too.
import type { Browser, Page } from '@playwright/test';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Wall time and time on a processor, µs. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** The longest tasks, ms, and how many took more than 50 ms. */
export interface PageTasks {
  readonly longestMs: number;
  readonly longestCpuMs: number;
  readonly over50ms: number;
  readonly over50msCpu: number;
}

const LONG_US = 50_000;
const inMs = (us: number): number => Math.round(us / 100) / 10;

function tasksOf(events: readonly TraceEvent[]): PageTasks {
  const mains = new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
  const tasks = events.filter(
    ({ name, ph, pid, tid }) => ph === 'X' && name.endsWith('RunTask') && mains.has(`${pid}/${tid}`),
  );
  if (tasks.length === 0) throw new Error('the trace has no tasks of the page');
  const wall = tasks.map(({ dur = 0 }) => dur);
  const cpu = tasks.map(({ tdur = 0 }) => tdur);
  return {
    longestMs: inMs(wall.reduce((a, b) => Math.max(a, b), 0)),
    longestCpuMs: inMs(cpu.reduce((a, b) => Math.max(a, b), 0)),
    over50ms: wall.filter((us) => us > LONG_US).length,
    over50msCpu: cpu.filter((us) => us > LONG_US).length,
  };
}

/** Traces while `work` goes on. */
export async function traced<T>(
  { browser, page }: { browser: Browser; page: Page },
  work: () => Promise<T>,
): Promise<{ value: T; tasks: PageTasks }> {
  await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
  const value = await work();
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  return { value, tasks: tasksOf(trace.traceEvents) };
}
