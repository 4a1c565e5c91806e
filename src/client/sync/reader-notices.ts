// Lines in the timeline made by this client from its own keys: who can read from here on (protocol P15).
import type { AccountId } from '#shared/ids.ts';

export interface ReaderNotice {
  readonly at: number;
  readonly afterSeq: number;
  readonly accountId: AccountId;
  readonly kind: 'joined' | 'left';
}

/** One line for each who came, then one for each who went. */
export function readerNotices(
  change: { readonly joined: readonly AccountId[]; readonly left: readonly AccountId[] },
  place: { readonly at: number; readonly afterSeq: number },
): ReaderNotice[] {
  const line =
    (kind: ReaderNotice['kind']) =>
    (accountId: AccountId): ReaderNotice => ({ ...place, accountId, kind });
  return [...change.joined.map(line('joined')), ...change.left.map(line('left'))];
}
