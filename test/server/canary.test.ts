// Canary: two people with the real engine talk over a real server process, and then nothing the server keeps, logs or
// sends contains a word of it, in any of the usual encodings.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeChainArchive, type SenderChain } from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import { RealPerson, text, type Line } from '../client/support/real-person.ts';

type Api = RealPerson['api'];

const origin = 'http://localhost:8080';
const setupToken = 'canary-setup-token-0123456789';
const planted = 'PlantedTopicThatTheServerMayRead';

/** What nobody but the two may ever see. */
const markers = {
  message: 'Canary-message-Xq7ZpT4w',
  reply: 'Canary-reply-Lw3KdV9y',
  edit: 'Canary-edit-Hs5NgB2u',
  reaction: 'Canary-react-Rt8MfC6o',
  direct: 'Canary-direct-Pz1JhQ3e',
  directEdit: 'Canary-direct-edit-Ya6SbE0k',
  epoch: 'Canary-new-epoch-Vd4WnG7i',
  refused: 'Canary-refused-Uj2XcM5a',
  removed: 'Canary-deleted-Fk9TvR1n',
} as const;

/** Every way a text, or a key's bytes, is likely to lie in a file or a frame. */
function encodings(marker: string | Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(marker as string);
  const wide = typeof marker === 'string' ? Buffer.from(marker, 'utf16le') : null;
  const found = new Map<string, Buffer>([
    ['plain', bytes],
    ...(wide
      ? ([
          ['utf-16le', wide],
          ['utf-16be', Buffer.from(wide).swap16()],
        ] as const)
      : []),
    ['hex', Buffer.from(bytes.toString('hex'))],
    ['HEX', Buffer.from(bytes.toString('hex').toUpperCase())],
  ]);
  for (const variant of ['base64', 'base64url'] as const) {
    for (const shift of [0, 1, 2]) {
      // What precedes and follows decides the outer characters: only those in between are always the same.
      const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
        .toString(variant)
        .replaceAll('=', '');
      const inner = encoded.slice(shift === 0 ? 0 : shift + 1, -2);
      found.set(`${variant} at ${shift}`, Buffer.from(inner));
    }
  }
  return found;
}

/** In which of `places` a marker lies, and how it is encoded there. */
function hits(places: ReadonlyMap<string, Buffer>, marker: string | Uint8Array): string[] {
  const forms = [...encodings(marker)];
  return [...places].flatMap(([place, content]) =>
    forms.filter(([, form]) => content.includes(form)).map(([name]) => `${place}: ${name}`),
  );
}

async function filesUnder(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.map(async (path) => [path, await readFile(path)] as const)));
}

let dataDir: string;
let server: ChildProcess;
let output = '';
const wire: string[] = [];

async function startServer(): Promise<Line> {
  server = spawn(process.execPath, ['--import', 'tsx', 'src/server/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATA_DIR: dataDir,
      CLIENT_DIR: dataDir,
      PUBLIC_URL: origin,
      SETUP_TOKEN: setupToken,
      LOG_LEVEL: 'debug',
    },
  });
  for (const stream of [server.stdout, server.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await expect.poll(() => output, { timeout: 90_000, interval: 200 }).toMatch(/listens on [^:]+:\d+/);
  const port = /listens on [^:]+:(\d+)/.exec(output)?.[1];
  return { url: `http://127.0.0.1:${port}`, origin, wire };
}

async function stopServer(): Promise<void> {
  const exited = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  expect(await exited).toBe(0);
}

/** Keys this person's device holds that the backup carries, or is sealed under: what must never lie open anywhere. */
async function secretsOf(person: RealPerson): Promise<Uint8Array[]> {
  const records = [...(await person.store.list('')).values()].map((record) => record.value);
  const own = records.find((value) => typeof value === 'object' && value !== null && 'backupKey' in value);
  const chains = records.filter(
    (value): value is { chain: SenderChain } => (value as { chain?: unknown }).chain !== undefined,
  );
  const archives = [...(await person.store.list(`${person.accountId}/archive/`)).values()];
  return [
    (own as { backupKey: Uint8Array }).backupKey,
    ...chains.flatMap(({ chain }) => [chain.seed, chain.chainKey]),
    ...archives.map(({ value }) => decodeChainArchive(value as Uint8Array).chainKey),
  ];
}

const textsOf = (results: Awaited<ReturnType<RealPerson['read']>>): (string | null)[] =>
  results.map((r) => (r.status === 'decrypted' && r.content.type === 'text' ? r.content.text : null));

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'chatalot-canary-'));
});
afterAll(async () => {
  if (server.exitCode === null) server.kill('SIGKILL');
  await rm(dataDir, { recursive: true, force: true });
});

/** A channel conversation with everything a message can become. */
async function talkInChannel(ada: RealPerson, ben: RealPerson, channelId: ChannelId): Promise<void> {
  const first = await ada.send(channelId, text(markers.message));
  await ben.send(channelId, text(markers.reply, first.eventId));
  const target = first.eventId;
  await ada.send(channelId, { type: 'edit', target, rev: 1, text: markers.edit });
  await ben.send(channelId, { type: 'reaction', target, emoji: markers.reaction, add: true, rev: 1 });
  const removed = await ben.send(channelId, text(markers.removed));
  await ben.send(channelId, { type: 'redact', target: removed.eventId });
  const [seenByBen, seenByAda] = [await ben.read(channelId), await ada.read(channelId)];
  expect(textsOf(seenByBen).slice(0, 2)).toEqual([markers.message, markers.reply]);
  expect(textsOf(seenByAda).slice(0, 2)).toEqual([markers.message, markers.reply]);
  expect(seenByAda[3]).toMatchObject({ content: { emoji: markers.reaction } });
}

async function talkDirectly(ada: RealPerson, ben: RealPerson): Promise<void> {
  const { channel } = await ada.api.dms.open.mutate({ accountId: ben.accountId });
  const { channelId } = channel;
  const said = await ada.send(channelId, text(markers.direct), 'dm');
  const edit = { type: 'edit', target: said.eventId, rev: 1, text: markers.directEdit } as const;
  await ada.send(channelId, edit, 'dm');
  const seen = await ben.read(channelId, 'dm');
  expect(seen.map((r) => r.status === 'decrypted' && r.content)).toMatchObject([
    { text: markers.direct },
    { text: markers.directEdit },
  ]);
}

/** Cleo is removed: what follows is written under a new epoch, and a send under the old one is refused. */
async function kickAndGoOn(
  people: { ada: RealPerson; ben: RealPerson; cleo: RealPerson },
  place: {
    communityId: Parameters<Api['communities']['kick']['mutate']>[0]['communityId'];
    channelId: ChannelId;
  },
): Promise<void> {
  const { ada, ben, cleo } = people;
  const { communityId, channelId } = place;
  const before = await ada.conversation(channelId);
  await ada.api.communities.kick.mutate({ communityId, accountId: cleo.accountId });
  await expect(ada.sendUnder(before, text(markers.refused))).rejects.toThrow();
  await expect(cleo.api.messages.gap.query({ channelId, fromSeq: 1, toSeq: 9 })).rejects.toThrow();
  await ada.send(channelId, text(markers.epoch));
  expect(textsOf(await ben.read(channelId)).at(-1)).toBe(markers.epoch);
  const after = await ada.conversation(channelId);
  expect(after.epoch).toBe(before.epoch + 1);
}

describe('canary', () => {
  it('A97 finds what is planted in every encoding, and nothing of what was said', async () => {
    const line = await startServer();
    const ada = await RealPerson.join(line, { username: 'ada', setupToken });
    const { communityId, channels } = await ada.api.communities.create.mutate({ name: 'Home' });
    const channelId = channels[0]!.channelId;
    await ada.api.channels.update.mutate({ channelId, topic: planted });
    const { code } = await ada.api.invites.create.mutate({ communityId });
    const [ben, cleo] = [
      await RealPerson.join(line, { username: 'ben', inviteCode: code }),
      await RealPerson.join(line, { username: 'cleo', inviteCode: code }),
    ];
    for (const joiner of [ben, cleo]) await joiner.api.invites.accept.mutate({ code }).catch(() => undefined);

    await talkInChannel(ada, ben, channelId);
    expect(textsOf(await cleo.read(channelId))[0]).toBe(markers.message);
    await talkDirectly(ada, ben);
    await kickAndGoOn({ ada, ben, cleo }, { communityId, channelId });
    for (const person of [ada, ben]) expect(await person.backUp()).toBeGreaterThan(1);
    const secrets = [...(await secretsOf(ada)), ...(await secretsOf(ben))];
    expect(secrets.length).toBeGreaterThan(8);
    for (const person of [ada, ben, cleo]) await person.close();
    await stopServer();

    const files = await filesUnder(dataDir);
    const traffic = new Map([
      ['log', Buffer.from(output)],
      ['wire', Buffer.from(wire.join('\n'))],
    ]);
    expect(files.size).toBeGreaterThan(100);
    expect(wire.length).toBeGreaterThan(50);
    expect(hits(files, planted).length).toBeGreaterThan(0);
    expect(hits(traffic, planted)).toContain('wire: plain');
    for (const marker of Object.values(markers)) {
      expect(hits(files, marker)).toEqual([]);
      expect(hits(traffic, marker)).toEqual([]);
    }
    for (const secret of secrets) {
      expect(hits(files, secret)).toEqual([]);
      expect(hits(traffic, secret)).toEqual([]);
    }
  }, 240_000);

  it('would see a key, too', () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
    for (const [name, bytes] of encodings(key))
      expect(hits(new Map([['here', Buffer.concat([Buffer.from('..'), bytes])]]), key), name).not.toEqual([]);
  });

  it('would see a marker however it is encoded', () => {
    for (const [name, bytes] of encodings(markers.message)) {
      expect(
        hits(new Map([['here', Buffer.concat([Buffer.from('..'), bytes])]]), markers.message),
        name,
      ).not.toEqual([]);
    }
    for (const variant of ['base64', 'base64url'] as const) {
      for (const before of ['', 'a', 'bc', 'def']) {
        const content = Buffer.from(Buffer.from(`${before}${markers.message} after`).toString(variant));
        expect(hits(new Map([['here', content]]), markers.message)).not.toEqual([]);
      }
    }
    expect(hits(new Map([['here', Buffer.from('nothing of the kind')]]), markers.message)).toEqual([]);
  });
});
