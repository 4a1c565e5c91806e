// The store, the queue, and sessions on top of them: crashes at every await, two tabs, restored profiles.
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '#crypto/bytes.ts';
import { CryptoError } from '#crypto/errors.ts';
import { MemoryStore } from '#crypto/memory-store.ts';
import { decodeRatchetMessage } from '#crypto/double-ratchet.ts';
import type { PrekeyRecord } from '#crypto/prekey-store.ts';
import { decodePrekeyMessage } from '#crypto/pqxdh.ts';
import { MAX_STALE_RETRIES, RecordQueue, transact, type RecordAccess } from '#crypto/record-queue.ts';
import { systemRng } from '#crypto/rng.ts';
import { decryptPairwise, encryptPairwise, packetKind, type SessionSet } from '#crypto/session.ts';
import type { ProtocolStore } from '#crypto/store.ts';
import { Crash, crashEverywhere, FaultStore } from '../support/fault-store.ts';
import { makeEnd, receive, send, type End } from '../support/pairs.ts';
import { NOW } from '../support/people.ts';

function access(store: ProtocolStore): RecordAccess {
  return { store, queue: new RecordQueue() };
}

async function valueOf<T>(store: ProtocolStore, key: string): Promise<T | undefined> {
  return (await store.read([key])).get(key)?.value as T | undefined;
}

/** Stored records of one device: `session`, `prekeys`, the outbox of packets, the texts received. */
async function saveEnd(store: ProtocolStore, end: End): Promise<void> {
  const put = [{ key: 'prekeys', value: end.prekeys as unknown }];
  if (end.set) put.push({ key: 'session', value: end.set });
  await store.commit({ expect: [], put, remove: [] });
}

/** Encrypts `text` and stores record and packet in one commit; only then may the packet leave. */
function storeSend(to: RecordAccess, ends: { from: End; to: End }, text: string): Promise<Uint8Array> {
  const outKey = `out/${text}`;
  return transact(to, ['session', outKey], (records) => {
    const waiting = records.get(outKey)?.value as Uint8Array | undefined;
    if (waiting) return { put: [], result: waiting };
    const set = records.get('session')!.value as SessionSet;
    const logs = { ownLog: ends.from.self.log, peerLog: ends.to.self.log };
    const sent = encryptPairwise(set, { ...logs, payload: utf8(text) }, { now: NOW, rng: systemRng });
    const put = [
      { key: 'session', value: sent.record },
      { key: outKey, value: sent.packet },
    ];
    return { put, result: sent.packet };
  });
}

/** Decrypts and stores session, prekeys, text and queue cursor in one commit. */
function storeReceive(
  at: RecordAccess,
  ends: { from: End; to: End },
  item: { seq: number; packet: Uint8Array },
): Promise<void> {
  const keys = ['session', 'prekeys', 'inbox', 'cursor'];
  return transact(at, keys, (records) => {
    const cursor = (records.get('cursor')?.value as number | undefined) ?? 0;
    if (item.seq <= cursor) return { put: [], result: undefined };
    const result = decryptPairwise((records.get('session')?.value as SessionSet | undefined) ?? null, {
      packet: item.packet,
      self: ends.to.self,
      peerLog: ends.from.self.log,
      peerDeviceId: ends.from.device.secrets.deviceId,
      prekeys: records.get('prekeys')!.value as PrekeyRecord,
      now: NOW,
    });
    const inbox = (records.get('inbox')?.value as string[] | undefined) ?? [];
    const text = new TextDecoder().decode(result.packet.payload);
    const put = [
      { key: 'session', value: result.record },
      { key: 'prekeys', value: result.prekeys },
      { key: 'inbox', value: [...inbox, text] },
      { key: 'cursor', value: item.seq },
    ];
    return { put, result: undefined };
  });
}

/** (ratchet key, n) of a packet: what must never carry two plaintexts. */
function position(packet: Uint8Array): string {
  const message = packetKind(packet) === 'prekey' ? decodePrekeyMessage(packet).message : packet;
  const { header } = decodeRatchetMessage(message);
  return `${toHex(header.dhPub)}/${header.n}`;
}

/** Both ends with a session that has gone both ways. */
function established(): { ada: End; bob: End } {
  const ada = makeEnd('ada');
  const bob = makeEnd('bob');
  receive(bob, ada, send(ada, bob, 'a'));
  receive(ada, bob, send(bob, ada, 'b'));
  return { ada, bob };
}

describe('memory store', () => {
  it('commits all or nothing under expected versions', async () => {
    const store = new MemoryStore();
    await store.commit({ expect: [{ key: 'a', version: 0 }], put: [{ key: 'a', value: 1 }], remove: [] });
    const version = (await store.read(['a'])).get('a')!.version;
    const batch = {
      expect: [
        { key: 'a', version },
        { key: 'b', version: 7 },
      ],
      put: [{ key: 'a', value: 2 }],
      remove: [],
    };
    await expect(store.commit(batch)).rejects.toMatchObject({ code: 'stale_record' });
    await expect(store.commit({ ...batch, expect: [{ key: 'a', version: 0 }] })).rejects.toThrow(CryptoError);
    expect(await valueOf(store, 'a')).toBe(1);
    const uncloneable = {
      ...batch,
      expect: [],
      put: [
        { key: 'a', value: 3 },
        { key: 'b', value: () => 1 },
      ],
    };
    await expect(store.commit(uncloneable)).rejects.toThrow();
    expect(await valueOf(store, 'a')).toBe(1);
    await expect(store.commit({ expect: [], put: batch.put, remove: ['a'] })).rejects.toThrow(CryptoError);
  });

  it('never repeats a version, not even for a removed and re-created record', async () => {
    const store = new MemoryStore();
    const put = [{ key: 'a', value: 1 }];
    await store.commit({ expect: [], put, remove: [] });
    const { version } = (await store.read(['a'])).get('a')!;
    await store.commit({ expect: [], put: [], remove: ['a'] });
    expect(await valueOf(store, 'a')).toBeUndefined();
    await store.commit({ expect: [{ key: 'a', version: 0 }], put, remove: [] });
    const expectOld = { expect: [{ key: 'a', version }], put, remove: [] };
    await expect(store.commit(expectOld)).rejects.toMatchObject({ code: 'stale_record' });
  });

  it('hands out copies and lists by prefix in key order', async () => {
    const store = new MemoryStore();
    const bytes = Uint8Array.of(1);
    const put = ['k/b', 'k/a', 'l/c'].map((key) => ({ key, value: bytes }));
    await store.commit({ expect: [], put, remove: [] });
    bytes[0] = 9;
    const listed = await store.list('k/');
    expect([...listed.keys()]).toEqual(['k/a', 'k/b']);
    (listed.get('k/a')!.value as Uint8Array)[0] = 8;
    expect(await valueOf(store, 'k/a')).toEqual(Uint8Array.of(1));
  });
});

describe('record queue', () => {
  it('runs tasks on a shared key in order, others side by side, and forgets what is done', async () => {
    const queue = new RecordQueue();
    const log: string[] = [];
    const task = (name: string, turns: number) => async () => {
      log.push(`${name}+`);
      for (let i = 0; i < turns; i++) await Promise.resolve();
      log.push(`${name}-`);
    };
    const failing = queue.run(['b'], () => Promise.reject(new Error('no')));
    const all = [
      queue.run(['a', 'b'], task('1', 20)),
      queue.run(['b', 'a'], task('2', 1)),
      queue.run(['c'], task('3', 1)),
    ];
    await expect(failing).rejects.toThrow('no');
    await Promise.all(all);
    expect(log.indexOf('2+')).toBeGreaterThan(log.indexOf('1-'));
    expect(log.indexOf('3-')).toBeLessThan(log.indexOf('1-'));
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(queue.size).toBe(0);
  });

  it('repeats a step that met a newer record, at most five times, and nothing else', async () => {
    const queue = new RecordQueue();
    for (const [code, runs] of [
      ['stale_record', MAX_STALE_RETRIES + 1],
      ['bad_mac', 1],
    ] as const) {
      let calls = 0;
      const run = queue.run(['a'], () => {
        calls++;
        return Promise.reject(new CryptoError(code, 'always'));
      });
      await expect(run).rejects.toMatchObject({ code });
      expect(calls).toBe(runs);
    }
  });
});

describe('sessions on a store', () => {
  it('A45 a crash between chain advance and send: the same bytes go out, no position carries two messages', async () => {
    let runs = 0;
    const points = await crashEverywhere(async () => {
      runs++;
      const { ada, bob } = established();
      const store = new FaultStore();
      await saveEnd(store, ada);
      const wire: Uint8Array[] = [];
      const texts = ['one', 'two', 'three'];
      const scenario = async (): Promise<void> => {
        const tab = access(store);
        for (const text of texts) wire.push(await storeSend(tab, { from: ada, to: bob }, text));
      };
      const recover = async (): Promise<void> => {
        await scenario();
        const byPosition = new Map(wire.map((packet) => [position(packet), toHex(packet)]));
        for (const packet of wire) expect(byPosition.get(position(packet))).toBe(toHex(packet));
        expect(byPosition.size).toBe(texts.length);
        const unique = [...new Map(wire.map((packet) => [toHex(packet), packet])).values()];
        expect(unique.map((packet) => receive(bob, ada, packet))).toEqual(texts);
      };
      return { store, scenario, recover };
    });
    expect(points).toBeGreaterThanOrEqual(12);
    expect(runs).toBe(points + 1);
  });

  it('A45 a crash between receive and commit: every message is received once, none is lost', async () => {
    const points = await crashEverywhere(async () => {
      const ada = makeEnd('ada');
      const bob = makeEnd('bob');
      const texts = ['opening', 'second', 'third'];
      const mailbox = texts.map((text, i) => ({ seq: i + 1, packet: send(ada, bob, text) }));
      const store = new FaultStore();
      await saveEnd(store, bob);
      const scenario = async (): Promise<void> => {
        const tab = access(store);
        for (const item of mailbox) await storeReceive(tab, { from: ada, to: bob }, item);
      };
      const recover = async (): Promise<void> => {
        await scenario();
        expect(await valueOf(store, 'inbox')).toEqual(texts);
        const prekeys = await valueOf<PrekeyRecord>(store, 'prekeys');
        expect(prekeys!.sets[0]!.units).toHaveLength(bob.prekeys.sets[0]!.units.length - 1);
      };
      return { store, scenario, recover };
    });
    expect(points).toBeGreaterThanOrEqual(12);
  });

  it('A46 two tabs on one store encrypt at once: no number comes twice, every message opens', async () => {
    const { ada, bob } = established();
    const store = new MemoryStore();
    await saveEnd(store, ada);
    const tabs = [access(store), access(store)];
    const jobs = tabs.flatMap((tab, t) =>
      Array.from({ length: 15 }, (_, i) =>
        untilDone(() => storeSend(tab, { from: ada, to: bob }, `${t}/${i}`)),
      ),
    );
    const packets = await Promise.all(jobs);
    expect(new Set(packets.map(position)).size).toBe(30);
    const texts = packets.map((packet) => receive(bob, ada, packet));
    expect(new Set(texts).size).toBe(30);
  });

  it('A46 without the version check the same two tabs would collide: the store is what prevents it', async () => {
    const { ada, bob } = established();
    const store = new MemoryStore();
    await saveEnd(store, ada);
    const blind: ProtocolStore = {
      read: (keys) => store.read(keys),
      list: (prefix) => store.list(prefix),
      commit: (batch) => store.commit({ ...batch, expect: [] }),
    };
    const ends = { from: ada, to: bob };
    await storeSend(access(store), ends, 'the chain exists');
    const packets = await Promise.all(['x', 'y'].map((text) => storeSend(access(blind), ends, text)));
    expect(new Set(packets.map(position)).size).toBe(1);
    expect(new Set(packets.map(toHex)).size).toBe(2);
  });

  it('A47 a restored profile repeats a position but never a (key, nonce) pair', async () => {
    const { ada, bob } = established();
    const store = new FaultStore();
    await saveEnd(store, ada);
    const ends = { from: ada, to: bob };
    await storeSend(access(store), ends, 'before');
    const snapshot = store.snapshot();
    const first = await storeSend(access(store), ends, 'first life');
    store.restore(snapshot);
    const second = await storeSend(access(store), ends, 'second life');
    expect(position(first)).toBe(position(second));
    const nonce = (packet: Uint8Array): string => toHex(decodeRatchetMessage(packet).header.nonce);
    expect(nonce(first)).not.toBe(nonce(second));
  });

  it('nothing works on a crashed store until it is restarted', async () => {
    const store = new FaultStore();
    store.arm(0);
    await expect(store.read(['a'])).rejects.toThrow(Crash);
    await expect(store.list('')).rejects.toThrow(Crash);
    store.restart();
    expect((await store.read(['a'])).size).toBe(0);
  });
});

/** A tab that lost the race five times over simply asks again, as the engine's outbox does. */
async function untilDone<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof CryptoError) || error.code !== 'stale_record') throw error;
    }
  }
}
