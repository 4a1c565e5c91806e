// W5's server: a channel with a long log, written by SQL. Secondary indexes are taken down while it is filled and built
// again from their own definitions, so that they are the product's.
import { makeIdentity } from '#test/support/keys.ts';
import { Pen } from '#test/support/messages.ts';
import { addCommunity, addPeople, tokensOf } from './populace.ts';
import { openStage, serveStage, type Stage, type StageReady } from './stage.ts';

export interface HistoryReady extends StageReady {
  readonly channelId: string;
  readonly tokens: readonly string[];
  readonly events: number;
}

const PEOPLE = 50;
const CHUNK = 50_000;
const MESSAGES_PER_CHAIN = 900;
const [wanted = '1000'] = process.argv.slice(2);
const events = Number(wanted);
const stage = await openStage();
const { deps } = stage.app;
const people = await addPeople(deps, PEOPLE);
const { channelId } = await addCommunity(deps, people);
const text = new Pen(makeIdentity(deps.clock.now()), channelId).text('x'.repeat(200));
const envelopeBytes = Buffer.from(text.envelope, 'base64url').length;

/** Message `n` of the log has seq and ordinal n, and an envelope as long as a 200-byte text's. */
const fillSql = `
  INSERT INTO "ChannelEvent" ("channelId", seq, "eventId", class, ordinal, "senderAccountId", "senderDeviceId", epoch,
    envelope, "envelopeHash", "chainId", iter, "linkHash", commitment, "createdAt")
  SELECT $1::uuid, n, gen_random_uuid(), 'message', n, $2::uuid, $3::uuid, 1,
    substring(decode(repeat(md5(n::text), 64), 'hex') FOR $6::int4), decode(repeat(md5(n::text), 2), 'hex'),
    decode(lpad(to_hex(n / ${MESSAGES_PER_CHAIN}), 16, '0'), 'hex'), n % ${MESSAGES_PER_CHAIN},
    decode(repeat(md5(n::text), 2), 'hex'), decode(repeat(md5(n::text), 2), 'hex'),
    now() + n * interval '1 millisecond'
  FROM generate_series($4::int4, $5::int4) n`;
const certsSql = `
  INSERT INTO "ChainCert" ("channelId", "chainId", "accountId", "deviceId", bytes, "createdAt")
  SELECT $1::uuid, decode(lpad(to_hex(n), 16, '0'), 'hex'), $2::uuid, $3::uuid, decode(repeat(md5(n::text), 20), 'hex'), now()
  FROM generate_series(0, $4::int4) n`;

async function fill({ db }: Stage): Promise<void> {
  const [sender] = people;
  if (!sender) throw new Error('nobody to write');
  const author = [channelId, sender.accountId, sender.deviceId];
  await db.session(async (session) => {
    const indexes = await session.rows<{ name: string; definition: string }>(
      `SELECT quote_ident(indexname) AS name, indexdef AS definition FROM pg_indexes
       WHERE tablename = 'ChannelEvent' AND indexname <> 'ChannelEvent_pkey'`,
    );
    for (const { name } of indexes) await session.execute(`DROP INDEX ${name}`);
    for (let from = 1; from <= events; from += CHUNK) {
      await session.rows(fillSql, [...author, from, Math.min(events, from + CHUNK - 1), envelopeBytes]);
      console.error(`filled to ${from}`);
    }
    for (const { definition } of indexes) await session.execute(definition);
    await session.rows(certsSql, [...author, Math.ceil(events / MESSAGES_PER_CHAIN)]);
    await session.rows(
      'UPDATE "Channel" SET "lastSeq" = $2::int4, "lastOrdinal" = $2::int4, "lastEventAt" = now() WHERE id = $1::uuid',
      [channelId, events],
    );
  });
  // As the product's own job does.
  await db.vacuum();
}

await fill(stage);
await serveStage(stage, { channelId, events, tokens: await tokensOf(deps, people) });
