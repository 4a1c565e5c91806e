// Adds up what the test runners report. A runner that dies, or a file that cannot be loaded, is a failure too.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from './paths.mjs';

export class Results {
  passed = 0;
  skipped = 0;
  /** @type {string[]} one line per failed test */
  failures = [];

  /** Something outside the tests went wrong. */
  addFailure(text) {
    this.failures.push(text);
  }

  /** @param {{ label: string, file: string, code: number }} run one vitest run and its JSON report */
  addVitest({ label, file, code }) {
    const before = this.failures.length;
    const report = readReport(file);
    for (const suite of report?.testResults ?? []) {
      const name = relative(root, suite.name);
      for (const test of suite.assertionResults)
        this.#count(test.status, `${label} · ${name} · ${test.fullName}`);
      const hasFailed = suite.assertionResults.some((test) => test.status === 'failed');
      if (suite.status === 'failed' && !hasFailed)
        this.addFailure(`${label} · ${name} · ${firstLine(suite.message)}`);
    }
    this.#judgeRunner({ label, code, before, ran: report?.numTotalTests ?? 0 });
  }

  /** @param {{ label: string, file: string, code: number }} run one Playwright run and its JSON report */
  addPlaywright({ label, file, code }) {
    const before = this.failures.length;
    const report = readReport(file);
    const specs = [...specsOf(report?.suites ?? [], [])];
    for (const { title, spec } of specs) {
      for (const test of spec.tests) {
        const status = { expected: 'passed', skipped: 'skipped' }[test.status] ?? 'failed';
        this.#count(status, `${label} · ${title}${test.status === 'flaky' ? ' (flaky)' : ''}`);
      }
    }
    for (const error of report?.errors ?? []) this.addFailure(`${label} · ${firstLine(error.message)}`);
    this.#judgeRunner({ label, code, before, ran: specs.length });
  }

  #count(status, title) {
    if (status === 'passed') this.passed += 1;
    else if (status === 'failed') this.addFailure(title);
    else this.skipped += 1;
  }

  #judgeRunner({ label, code, before, ran }) {
    const isSilent = this.failures.length === before;
    if (ran === 0 && isSilent) this.addFailure(`${label} · the runner reported no tests (exit code ${code})`);
    else if (code !== 0 && isSilent) this.addFailure(`${label} · the runner ended with exit code ${code}`);
  }

  /** `N passed, N failed`, and how many were skipped if any were. */
  summary() {
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : '';
    return `${this.passed} passed, ${this.failures.length} failed${skipped}`;
  }
}

function readReport(file) {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null; // cut off by a crash
  }
}

function firstLine(text) {
  return (text ?? 'failed').trim().split('\n')[0];
}

function* specsOf(suites, path) {
  for (const suite of suites) {
    const here = [...path, suite.title].filter(Boolean);
    for (const spec of suite.specs ?? []) yield { title: [...here, spec.title].join(' › '), spec };
    yield* specsOf(suite.suites ?? [], here);
  }
}
