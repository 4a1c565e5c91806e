// Read cursors: sparse, per account and channel, the same on all devices.
import { requireAction } from '../../access.ts';
import type { DeviceActor, Deps } from '../../deps.ts';
import type { ChannelId } from '#shared/ids.ts';

interface CursorRow {
  readonly readSeq: number;
  readonly readOrdinal: number;
  readonly mentions: number;
}

/** Moves the own cursor forward to `seq` (never back, never past the head) and tells the own devices. */
export async function moveCursor(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId; seq: number },
): Promise<CursorRow> {
  await requireAction(deps.db, actor, 'channel.view', { channelId: input.channelId });
  const [row] = await deps.db.query<CursorRow>(
    'cursors.move',
    `WITH head AS (
       SELECT LEAST($3::int4, c."lastSeq") AS seq, c."lastSeq" FROM "Channel" c WHERE c.id = $2::uuid
     ), at AS (
       SELECT h.seq, h."lastSeq", COALESCE((SELECT e.ordinal FROM "ChannelEvent" e
         WHERE e."channelId" = $2::uuid AND e.seq <= h.seq AND e.ordinal IS NOT NULL
         ORDER BY e.seq DESC LIMIT 1), 0) AS ordinal FROM head h
     )
     INSERT INTO "ChannelCursor" AS cc ("accountId", "channelId", "readSeq", "readOrdinal")
     SELECT $1::uuid, $2::uuid, at.seq, at.ordinal FROM at
     ON CONFLICT ("accountId", "channelId") DO UPDATE SET
       "readSeq" = GREATEST(cc."readSeq", EXCLUDED."readSeq"),
       "readOrdinal" = GREATEST(cc."readOrdinal", EXCLUDED."readOrdinal"),
       mentions = CASE WHEN EXCLUDED."readSeq" >= (SELECT "lastSeq" FROM head) THEN 0 ELSE cc.mentions END
     RETURNING "readSeq", "readOrdinal", mentions`,
    [actor.accountId, input.channelId, input.seq],
  );
  const moved = row ?? { readSeq: 0, readOrdinal: 0, mentions: 0 };
  deps.live.publish(
    { to: 'account', accountId: actor.accountId },
    { type: 'cursor.moved', channelId: input.channelId, ...moved },
  );
  return moved;
}
