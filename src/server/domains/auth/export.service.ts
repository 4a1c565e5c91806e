// Taking one's data along: the server hands out what it holds, page by page; the browser adds what it can open.
import type { Actor, Deps } from '#server/deps.ts';
import { encodeBytes } from '#server/proof.ts';
import type { ExportPage, ExportPart, ExportRow } from '#shared/account.ts';
import { AppError } from '#shared/errors.ts';
import { channelIdSchema, type AccountId, type ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { channelsFrom, ownEvents, pageOfPart, type StoredRow } from './export.queries.ts';

function plain(value: unknown): ExportRow[string] {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return encodeBytes(value);
  if (typeof value === 'bigint') return Number(value);
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isPlain ? value : null;
}

const rowOf = ({ key: _key, ...columns }: StoredRow): ExportRow =>
  Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, plain(value)]));

/** Where the events go on: a channel and the seq that was seen last. */
function placeOf(after: string | null): { channelId: ChannelId | null; seq: number } {
  if (after === null) return { channelId: null, seq: 0 };
  const [id, seq = ''] = after.split(':');
  const channelId = channelIdSchema.safeParse(id);
  if (channelId.success && /^\d{1,9}$/.test(seq)) return { channelId: channelId.data, seq: Number(seq) };
  throw new AppError({ code: 'bad_input', issues: [{ path: 'after', message: 'no place in the log' }] });
}

/** One stretch of one channel's log, so that a page costs the same however long the logs are. */
async function pageOfEvents(deps: Deps, accountId: AccountId, after: string | null): Promise<ExportPage> {
  const place = placeOf(after);
  const [channel, next] = await channelsFrom(deps.db, accountId, place.channelId);
  if (!channel) return { rows: [], next: null };
  const { channelId, lastSeq } = channel;
  const from = channelId === place.channelId ? place.seq : 0;
  const upTo = from + limits.exportStretch;
  const rows = await ownEvents(deps.db, accountId, { channelId, after: from, upTo });
  const following = upTo < lastSeq ? `${channelId}:${upTo}` : next ? `${next.channelId}:0` : null;
  return { rows: rows.map(rowOf), next: following };
}

/** A page of one part of what the server holds about the account; `next` asks for the one after it. */
export async function exportData(
  deps: Deps,
  actor: Actor,
  input: { readonly part: ExportPart; readonly after?: string | undefined },
): Promise<ExportPage> {
  const { accountId } = actor;
  const { part, after = null } = input;
  if (part === 'events') return pageOfEvents(deps, accountId, after);
  const limit = limits.exportPage;
  const rows = await pageOfPart(deps.db, part, { accountId, after, limit });
  return { rows: rows.map(rowOf), next: rows.length < limit ? null : (rows.at(-1)?.key ?? null) };
}
