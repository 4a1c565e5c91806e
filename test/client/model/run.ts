// Runs of the model (A96), and how a failed one is made short enough to be read.
import { audit } from './audit.ts';
import { drawSteps, take, type Step } from './steps.ts';
import { restartModelTime } from './time.ts';
import { World } from './world.ts';

const AUDIT_EVERY = 1000;
/** Of one call of a device while things happen. */
const FAULTS = 0.02;
/** Real time a failed run may take to be shortened. */
const SHORTEN_MS = 60_000;

export interface Failure {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly wrong: readonly string[];
  readonly history: readonly string[];
}

async function follow(seed: number, steps: readonly Step[]): Promise<Failure | null> {
  restartModelTime();
  const world = await World.start(seed);
  const history: string[] = [];
  let since = 0;
  for (const [at, step] of steps.entries()) {
    for (const device of world.alive) device.line.faults = FAULTS;
    history.push(await take(world, step));
    since += 1;
    if (since < AUDIT_EVERY && at < steps.length - 1) continue;
    since = 0;
    const wrong = await audit(world);
    if (wrong.length > 0) return { seed, steps: steps.slice(0, at + 1), wrong, history };
  }
  return null;
}

/** The first thing that is wrong, with what led to it; null when all is well. */
export const run = (seed: number, count: number): Promise<Failure | null> =>
  follow(seed, drawSteps(seed, count));

/** What is wrong without who and where: a shorter run must fail the same way. */
function kindOf({ wrong: [first = ''] }: Failure): string {
  return /"reason":"\w+"/.exec(first)?.[0] ?? first.replaceAll(/[0-9a-f]{4,}|\b(?:ada|ben|cleo)\b/g, '');
}

/** Leaves out of a failed run what it fails without. */
export async function shorten(failure: Failure): Promise<Failure> {
  let best = failure;
  const until = performance.now() + SHORTEN_MS;
  const isTime = (): boolean => performance.now() < until;
  for (let size = Math.ceil(best.steps.length / 2); size >= 1 && isTime(); size = Math.floor(size / 2)) {
    for (let at = 0; at < best.steps.length && isTime();) {
      const fewer = [...best.steps.slice(0, at), ...best.steps.slice(at + size)];
      const found = fewer.length > 0 ? await follow(failure.seed, fewer) : null;
      if (found && kindOf(found) === kindOf(failure)) best = found;
      else at += size;
    }
  }
  return best;
}
