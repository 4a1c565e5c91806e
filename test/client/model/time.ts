// Time in the model is what it is set to, and its tabs hear nothing of other tests' tabs.
import { vi } from 'vitest';

const BEGIN_MS = 1_800_000_000_000;

class Silent {
  addEventListener = (): void => undefined;
  postMessage = (): void => undefined;
  close = (): void => undefined;
}

export function beginModelTime(): void {
  vi.stubGlobal('BroadcastChannel', Silent);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: BEGIN_MS });
}

export function restartModelTime(): void {
  vi.clearAllTimers();
  vi.setSystemTime(BEGIN_MS);
}

export function endModelTime(): void {
  vi.useRealTimers();
  vi.unstubAllGlobals();
}
