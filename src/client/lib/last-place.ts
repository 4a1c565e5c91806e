// The conversation somebody was in last, so that the app opens there again. This browser only.
const KEY = 'chatalot.last-place';

export function keepPlace(path: string): void {
  try {
    localStorage.setItem(KEY, path);
  } catch {
    // Storage can be refused or full: the app then opens at its first community.
  }
}

export interface Place {
  readonly path: string;
  readonly communityId: string | null;
  readonly channelId: string | null;
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** The place kept last, taken apart; null when there is none. Whether it still exists is the caller's to check. */
export function lastPlace(): Place | null {
  const path = kept();
  const [, area, first, second] = (path ?? '').split('/');
  if (path === null || first === undefined) return null;
  if (area === 'c') return { path, communityId: first, channelId: second ?? null };
  return area === 'dm' ? { path, communityId: null, channelId: first } : null;
}
