// @vitest-environment node
// The model-based test of the protocol (protocol §5.3, A96): the real engine, Keys, Outbox, Backup and channel logs of every
// device, a server's rules in memory between them, and everything that can go wrong. CHATALOT_MODEL_STEPS=100000 for the
// long run, CHATALOT_MODEL_SEED for another or the same one.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run, shorten } from '../model/run.ts';
import { beginModelTime, endModelTime } from '../model/time.ts';

const STEPS = Number(process.env['CHATALOT_MODEL_STEPS'] ?? 10_000);
const SEED = Number(process.env['CHATALOT_MODEL_SEED'] ?? 96);

beforeEach(beginModelTime);
afterEach(endModelTime);

it(
  'A96 every member who should read reads exactly once, on every device, and nobody else ever',
  { timeout: 60_000 + STEPS * 60 },
  async () => {
    const failure = await run(SEED, STEPS);
    if (!failure) return;
    const { wrong, history } = await shorten(failure);
    expect.fail([`seed ${SEED}, ${STEPS} steps:`, ...wrong, 'after', ...history].join('\n  '));
  },
);
