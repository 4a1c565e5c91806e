// @vitest-environment node
// One contract for every protocol store, held against the reference in memory and against IndexedDB; and what only the
// latter promises: nothing readable at rest, two connections at once.
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '#client/crypto/engine.ts';
import { IdbStore } from '#client/crypto/idb-store.ts';
import { systemRng, type ProtocolStore } from '#crypto/index.ts';
import { MemoryStore } from '#crypto/memory-store.ts';
import { Exchange, quickKdf, textsOf } from '../support/exchange.ts';
import { channel } from '../support/world.ts';

const open: IdbStore[] = [];
let count = 0;
let name = '';

async function openIdb(): Promise<IdbStore> {
  const store = await IdbStore.open(name);
  open.push(store);
  return store;
}
beforeEach(() => {
  name = `store-${(count += 1)}`;
});
afterEach(() => {
  for (const store of open.splice(0)) store.close();
});

const stores: Record<string, () => Promise<ProtocolStore>> = {
  'in memory': () => Promise.resolve(new MemoryStore()),
  IndexedDB: openIdb,
};
const put = (key: string, value: unknown) => ({ expect: [], put: [{ key, value }], remove: [] });
const versionOf = async (store: ProtocolStore, key: string): Promise<number> =>
  (await store.read([key])).get(key)?.version ?? 0;

describe.each(Object.keys(stores))('a store %s', (kind) => {
  let store: ProtocolStore;
  beforeEach(async () => {
    store = await stores[kind]!();
  });

  it('gives back what was put, bytes and all, as a copy of its own', async () => {
    const value = { n: 1, text: 'ü€', list: [null, true, { deep: new Uint8Array([0, 255]) }], none: null };
    await store.commit(put('a', value));
    value.text = 'changed';
    const read = await store.read(['a', 'b']);
    expect(read.get('a')?.value).toEqual({ ...value, text: 'ü€' });
    expect(read.get('a')?.value).not.toBe((await store.read(['a'])).get('a')?.value);
    expect(read.has('b')).toBe(false);
  });

  it('lists exactly the keys with a prefix, in order', async () => {
    for (const key of ['p/b', 'p/a', 'p', 'q/a', 'p/', 'p/\u{10000}x']) await store.commit(put(key, key));
    expect([...(await store.list('p/')).keys()]).toEqual(['p/', 'p/a', 'p/b', 'p/\u{10000}x']);
    expect((await store.list('')).size).toBe(6);
  });

  it('commits all or nothing, and nothing when a version moved on', async () => {
    await store.commit(put('a', 1));
    const version = await versionOf(store, 'a');
    await store.commit(put('a', 2));
    const stale = {
      expect: [{ key: 'a', version }],
      put: [
        { key: 'a', value: 3 },
        { key: 'b', value: 3 },
      ],
      remove: ['c'],
    };
    await expect(store.commit(stale)).rejects.toMatchObject({ code: 'stale_record' });
    expect((await store.read(['a', 'b'])).get('a')?.value).toBe(2);
    expect((await store.list('')).size).toBe(1);
    await store.commit({ ...stale, expect: [{ key: 'a', version: await versionOf(store, 'a') }] });
    expect((await store.list('')).size).toBe(2);
  });

  it('takes version 0 for "not there", and never repeats a version, not even after a removal', async () => {
    const seen = new Set<number>();
    for (let round = 0; round < 4; round++) {
      await store.commit({ ...put('a', round), expect: [{ key: 'a', version: 0 }] });
      const both = ['b', 'a'].map((key) => ({ key, value: 'again' }));
      const again = { put: both, expect: both.map(({ key }) => ({ key, version: 0 })), remove: [] };
      await expect(store.commit(again)).rejects.toMatchObject({ code: 'stale_record' });
      expect(await versionOf(store, 'b')).toBe(0);
      seen.add(await versionOf(store, 'a'));
      await store.commit({ expect: [], put: [], remove: ['a'] });
      expect(await versionOf(store, 'a')).toBe(0);
    }
    expect(seen.size).toBe(4);
  });

  it('of commits that race under one version exactly one wins', async () => {
    await store.commit(put('a', 0));
    const version = await versionOf(store, 'a');
    const racing = Array.from({ length: 8 }, (_, n) =>
      store.commit({ ...put('a', n + 1), expect: [{ key: 'a', version }] }),
    );
    const outcomes = await Promise.allSettled(racing);
    expect(outcomes.filter((o) => o.status === 'fulfilled')).toHaveLength(1);
  });
});

/** Every byte of the raw database, as text. */
async function rawDatabase(): Promise<string> {
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new Error('no database'));
  });
  const rows = await new Promise<{ sealed: Uint8Array }[]>((resolve) => {
    const request = db.transaction('records').objectStore('records').getAll();
    request.onsuccess = () => resolve(request.result as { sealed: Uint8Array }[]);
  });
  db.close();
  return rows.map(({ sealed }) => Buffer.from(sealed).toString('latin1')).join('\n');
}

describe('IndexedDB', () => {
  it('holds ciphertext only: neither text nor keys of a conversation are readable at rest', async () => {
    const server = new Exchange();
    const store = await openIdb();
    const [ada, ben] = [await server.joinOn('ada', store), await server.join('ben')];
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.say(ada, talk, 'Canary-at-rest-outgoing');
    await server.say(ben, talk, 'Canary-at-rest-incoming');
    expect(textsOf(await server.read(ada, talk))).toEqual([
      'Canary-at-rest-outgoing',
      'Canary-at-rest-incoming',
    ]);
    const raw = await rawDatabase();
    expect(raw.length).toBeGreaterThan(10_000);
    const self = (await store.read([`${ada.accountId}/self`])).get(`${ada.accountId}/self`)?.value;
    const { backupKey } = self as { backupKey: Uint8Array };
    for (const secret of ['Canary-at-rest', 'secrets', 'signing', Buffer.from(backupKey).toString('latin1')])
      expect(raw.includes(secret), secret).toBe(false);
    expect(raw.includes(Buffer.from(backupKey).toString('base64url'))).toBe(false);
  });

  it('two connections share one key and one order of versions', async () => {
    const [first, second] = await Promise.all([openIdb(), openIdb()]);
    await first.commit(put('a', { from: 'first' }));
    expect((await second.read(['a'])).get('a')?.value).toEqual({ from: 'first' });
    const version = await versionOf(second, 'a');
    await second.commit({ ...put('a', { from: 'second' }), expect: [{ key: 'a', version }] });
    const late = first.commit({ ...put('a', { from: 'first' }), expect: [{ key: 'a', version }] });
    await expect(late).rejects.toMatchObject({ code: 'stale_record' });
    expect((await first.read(['a'])).get('a')?.value).toEqual({ from: 'second' });
  });

  it('survives being closed: the device is found and goes on', async () => {
    const server = new Exchange();
    const store = await openIdb();
    const [ada, ben] = [await server.joinOn('ada', store), await server.join('ben')];
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.say(ada, talk, 'before');
    store.close();
    const engine = createEngine({ store: await openIdb(), rng: systemRng, argon2: quickKdf });
    expect(await engine.open({ accountId: ada.accountId })).toBe(true);
    await server.say({ ...ada, engine }, talk, 'after');
    expect(textsOf(await server.read(ben, talk))).toEqual(['before', 'after']);
  });

  it('a record moved to another name or changed does not open', async () => {
    const store = await openIdb();
    await store.commit(put('a', 'value'));
    const db = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
    });
    await new Promise<void>((resolve) => {
      const tx = db.transaction('records', 'readwrite');
      const records = tx.objectStore('records');
      const read = records.get('a');
      read.onsuccess = () => void records.put(read.result, 'b');
      tx.oncomplete = () => resolve();
    });
    db.close();
    await expect(store.read(['b'])).rejects.toMatchObject({ code: 'bad_mac' });
    expect((await store.read(['a'])).get('a')?.value).toBe('value');
  });
});
