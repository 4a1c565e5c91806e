// Reading the backup in: while the engine opens one page the next is on its way.
import type { BackupStep } from '#client/crypto/protocol.ts';
import type { BackupPage } from '#shared/backup.ts';

/** Entries [from, to) of a list. */
export interface PageRange {
  readonly version: number;
  readonly from: number;
  readonly to: number;
}

interface Pages {
  /** As many of the last entries of a range as one answer holds. */
  readonly fetch: (range: PageRange) => Promise<BackupPage>;
  /** Hands a page to the engine, which says what is next. */
  readonly take: (page: BackupPage) => Promise<BackupStep>;
}

const isSame = (a: PageRange, b: PageRange): boolean =>
  a.version === b.version && a.from === b.from && a.to === b.to;

/** What the engine asks for next once it took a page of this range; null where nothing is left of the range. */
const restOf = ({ version, from, to }: PageRange, page: BackupPage): PageRange | null =>
  page.from > from && page.from < to ? { version, from, to: page.from } : null;

/** Hands over pages until the engine wants no more; answers its last word. Throws what a page or the engine failed with. */
export async function takePages(first: BackupStep, { fetch, take }: Pages): Promise<BackupStep> {
  let step = first;
  let ahead: { readonly range: PageRange; readonly page: Promise<BackupPage> } | null = null;
  while (step.state === 'behind') {
    // The engine has the last word: what was fetched on a guess is dropped where it wants something else.
    const page = await (ahead && isSame(ahead.range, step) ? ahead.page : fetch(step));
    const range = restOf(step, page);
    ahead = range && { range, page: fetch(range) };
    // Who waits for it learns of a failure.
    ahead?.page.catch(() => undefined);
    step = await take(page);
  }
  return step;
}
