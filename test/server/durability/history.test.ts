// The checker of histories finds what it is there for: each way in which a log can be wrong, and nothing else.
import { describe, expect, it } from 'vitest';
import { HistoryChecker, type LogEntry, type Observation, type Violation } from '#test/support/history.ts';
import { seeded } from '#test/support/random.ts';

const channel = 'c';
const sent = (event: string): Observation => ({ kind: 'sent', channel, event });
const acknowledged = (event: string, seq: number): Observation => ({
  kind: 'acknowledged',
  channel,
  event,
  seq,
});
const refused = (event: string): Observation => ({ kind: 'refused', channel, event });
const seen = (event: string, seq: number, more: { client?: string; at?: number } = {}): Observation => ({
  kind: 'seen',
  channel,
  client: 'ada',
  event,
  seq,
  ...more,
});
const entry = (event: string, seq: number, at?: number): LogEntry => ({
  event,
  seq,
  ...(at === undefined ? {} : { at }),
});

function violations(history: readonly Observation[], log?: readonly LogEntry[]): Violation[] {
  const checker = new HistoryChecker();
  for (const observation of history) checker.record(observation);
  if (log) checker.finish(channel, log);
  return [...new Set(checker.findings.map(({ violation }) => violation))];
}

const good: readonly Observation[] = [
  sent('a'),
  sent('b'),
  acknowledged('b', 1),
  seen('b', 1, { at: 10 }),
  acknowledged('a', 2),
  seen('a', 2, { at: 10 }),
  sent('unanswered'),
  seen('unanswered', 3, { at: 11 }),
  // Somebody who came later begins where they came in.
  seen('unanswered', 3, { client: 'bob' }),
  sent('refused'),
  refused('refused'),
  sent('vanished'),
];
const log = [entry('b', 1, 10), entry('a', 2, 10), entry('unanswered', 3, 11)];

describe('the checker of histories', () => {
  it('finds nothing in a good one, with an unanswered send that arrived and one that did not', () => {
    expect(violations(good, log)).toEqual([]);
  });

  const bad: [Violation, readonly Observation[], (readonly LogEntry[])?][] = [
    ['two events at one seq', [...good, sent('x'), seen('x', 3, { client: 'eve' })]],
    ['one event at two seqs', [...good, seen('a', 4)]],
    ['gap', [...good, sent('x'), seen('x', 5)]],
    ['went back', [...good, seen('b', 1)]],
    ['seen twice', [...good, seen('unanswered', 3)]],
    ['phantom', [...good, seen('nobody sent this', 4)]],
    ['refused but stored', [...good, seen('refused', 4)]],
    ['order of time', [...good, sent('late'), acknowledged('late', 0)]],
    ['clock ran back', [...good, sent('x'), seen('x', 4, { at: 9 })]],
    ['acknowledged but lost', good, log.filter(({ event }) => event !== 'a')],
    ['phantom', good, log.slice(0, 2)],
    ['gap', [...good, sent('x')], [...log, entry('x', 5, 12)]],
    ['one event at two seqs', good, [...log, entry('a', 4, 12)]],
    ['clock ran back', [...good, sent('x')], [...log, entry('x', 4, 1)]],
    ['two events at one seq', good, [entry('a', 1, 10), entry('b', 2, 10), entry('unanswered', 3, 11)]],
    ['refused but stored', good, [...log, entry('refused', 4, 12)]],
  ];
  it.each(bad)('finds: %s (%#)', (violation, history, end) => {
    expect(violations(history, end)).toContain(violation);
  });

  it('finds one fault among many operations, wherever it lies', () => {
    const random = seeded(3);
    const fault = 1 + Math.floor(random() * 20_000);
    const checker = new HistoryChecker();
    for (let seq = 1; seq <= 20_000; seq++) {
      checker.record(sent(`e${seq}`));
      checker.record(acknowledged(`e${seq}`, seq));
      if (seq !== fault) checker.record(seen(`e${seq}`, seq));
    }
    expect(checker.findings.map(({ violation, seq }) => [violation, seq])).toEqual([['gap', fault + 1]]);
  });
});
