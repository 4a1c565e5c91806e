// The load generator's clock. Open loop: message n leaves at its planned time whatever happened to the ones before, and
// latencies count from that time, so that a server that stalls cannot hide it by being asked less.
import { performance } from 'node:perf_hooks';
import { Latencies } from './latency.ts';

export interface Plan {
  readonly perSecond: number;
  readonly seconds: number;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `holds` or the time is up; whether it holds. */
export async function until(holds: () => boolean, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!holds() && performance.now() < end) await sleep(10);
  return holds();
}

const AT_ONCE = 16;

/** Calls `open` for 0 … count - 1, several at once. */
export async function openAll(count: number, open: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await open(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Calls `send` for every message of the plan with its number and planned time; says how late the generator was. */
export async function openLoop(
  { perSecond, seconds }: Plan,
  send: (at: number, due: number) => void,
): Promise<Latencies> {
  const lateness = new Latencies();
  const start = performance.now();
  const count = Math.round(perSecond * seconds);
  for (let at = 0; at < count; at++) {
    const due = start + (at * 1000) / perSecond;
    if (due > performance.now()) await sleep(due - performance.now());
    lateness.record(performance.now() - due);
    send(at, due);
  }
  return lateness;
}

/** Whether the generator itself keeps up: the same traffic at three times the rate, against the bare relay. */
export interface GeneratorCheck {
  readonly perSecond: number;
  readonly lateP99Ms: number;
  readonly deliveredShare: number;
  readonly holds: boolean;
}

export const CHECK_FACTOR = 3;
const CHECK_SECONDS = 2;
/** The generator holds when 99 of 100 messages leave within this of their time, and all of them arrive. */
const CHECK_LATE_MS = 50;
const FULL_SHARE = 0.9999;

export async function checkGenerator(
  perSecond: number,
  traffic: {
    readonly send: (at: number, due: number) => void;
    readonly delivered: () => number;
    readonly perMessage: number;
  },
): Promise<GeneratorCheck> {
  const plan = { perSecond: perSecond * CHECK_FACTOR, seconds: CHECK_SECONDS };
  const before = traffic.delivered();
  const expected = Math.round(plan.perSecond * plan.seconds) * traffic.perMessage;
  const lateness = await openLoop(plan, traffic.send);
  await until(() => traffic.delivered() - before >= expected, 5_000);
  const deliveredShare = (traffic.delivered() - before) / expected;
  const lateP99Ms = lateness.at(0.99);
  const holds = lateP99Ms <= CHECK_LATE_MS && deliveredShare >= FULL_SHARE;
  return { perSecond: plan.perSecond, lateP99Ms, deliveredShare, holds };
}
