// A99 in the engine: with WebCrypto working ahead every record and every packet is the byte string it is without, and
// nothing is stored or answered before the backend has spoken.
import { webcrypto } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { chooseBackend, fromBase64Url, systemRng, toBase64Url, type AheadBackend } from '#crypto/index.ts';
import type { Subtle } from '#crypto/web-backend.ts';
import { spelled } from '#test/crypto/support/spelled.ts';
import type { ClaimResult } from '#shared/devices.ts';
import { Exchange, textsOf, type Person } from '../support/exchange.ts';
import { channel, dm, stateOf } from '../support/world.ts';

// Whole conversations, each of them twice.
vi.setConfig({ testTimeout: 90_000 });

/** A backend that holds every answer back until it is let go, and knows nothing when told so. */
class Gate implements AheadBackend {
  readonly #inner: AheadBackend;
  #held: (() => void)[] | null = null;
  knowsNothing = false;
  answered = 0;

  constructor(inner: AheadBackend) {
    this.#inner = inner;
  }

  async answer(jobs: Parameters<AheadBackend['answer']>[0]): ReturnType<AheadBackend['answer']> {
    const held = this.#held;
    if (held) await new Promise<void>((go) => held.push(go));
    if (this.knowsNothing) return jobs.map(() => null);
    const answers = await this.#inner.answer(jobs);
    this.answered += answers.filter((answer) => answer !== null).length;
    return answers;
  }

  hold(): void {
    this.#held = [];
  }

  /** How many batches wait. */
  get waiting(): number {
    return this.#held?.length ?? 0;
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const go of held) go();
  }
}

async function gate(): Promise<Gate> {
  const backend = await chooseBackend(webcrypto.subtle as Subtle, systemRng);
  if (!backend) throw new Error('this Node has no WebCrypto for X25519 and Ed25519');
  return new Gate(backend);
}

const recordsOf = (person: Person): string => spelled(person.store.snapshot());

/** The last byte of a signed structure is the last byte of its signature. */
function forged(text: string): string {
  const bytes = fromBase64Url(text);
  bytes[bytes.length - 1]! ^= 1;
  return toBase64Url(bytes);
}

/** A talk of three people with a second device, twice over; everything anybody stored or mailed. */
async function aTalk(backend: AheadBackend | null): Promise<string> {
  const server = new Exchange(backend);
  const [ada, ben, cleo] = [await server.join('ada'), await server.join('ben'), await server.join('cleo')];
  const laptop = await server.addDevice(ben);
  const everybody = [ada, ben, cleo];
  const talk = server.conversation('text', channel, everybody);
  const direct = server.conversation('dm', dm, [ada, ben]);
  await server.say(ada, talk, 'one');
  await server.say(ada, direct, 'for ben');
  await server.collect(ben);
  await server.say(ben, talk, 'two');
  for (const person of [...everybody, laptop])
    expect(textsOf(await server.read(person, talk)), person.name).toEqual(['one', 'two']);
  expect(textsOf(await server.read(ben, direct))).toEqual(['for ben']);
  return spelled([[...everybody, laptop].map(recordsOf), server.mail, server.events]);
}

let pureTalk: Promise<string> | undefined;
/** The talk with everything computed in place, once for all tests. */
const inPlaceTalk = (): Promise<string> => (pureTalk ??= aTalk(null));

describe('A99 the engine over two backends', () => {
  it('A99 stores and sends the same bytes for the same randomness', async () => {
    const backend = await gate();
    const [ahead, inPlace] = [await aTalk(backend), await inPlaceTalk()];
    expect(ahead).toBe(inPlace);
    expect(backend.answered).toBeGreaterThan(100);
  });

  it('A99 a forged bundle among others: the same device refused, the same records', async () => {
    const run = async (backend: AheadBackend | null) => {
      const server = new Exchange(backend);
      const people = [await server.join('ada'), await server.join('ben'), await server.join('cleo')];
      const [ada, ben, cleo] = people as [Person, Person, Person];
      const dan = await server.join('dan');
      const conversation = server.conversation('text', channel, [ada, ben, cleo, dan]);
      const now = server.now;
      const { logs } = await ada.engine.missingKeys({ conversation, logsFresh: false, now });
      await ada.engine.ingestLogs({ logs: server.logsFor(logs) });
      const { bundles } = await ada.engine.missingKeys({ conversation, logsFresh: true, now });
      const claims = server.claim(bundles).map((claim): ClaimResult => {
        if (claim.status !== 'claimed') return claim;
        if (claim.deviceId === cleo.deviceId) return { ...claim, set: forged(claim.set) };
        return claim.deviceId === dan.deviceId ? { ...claim, unit: forged(claim.unit ?? '') } : claim;
      });
      const refused = await ada.engine.startSessions({ claims, now });
      expect(refused.map(({ deviceId }) => deviceId)).toEqual([cleo.deviceId, dan.deviceId]);
      return recordsOf(ada);
    };
    const backend = await gate();
    expect(await run(backend)).toBe(await run(null));
  });

  it('A99 a forged log among others: the same alarm, the same records', async () => {
    const run = async (backend: AheadBackend | null) => {
      const server = new Exchange(backend);
      const [ada, ben, cleo] = [
        await server.join('ada'),
        await server.join('ben'),
        await server.join('cleo'),
      ];
      const accounts = [ben, cleo].map(({ accountId }) => ({ accountId, fromSeq: 0 }));
      const [benLog, cleoLog] = server.logsFor(accounts);
      const entries = cleoLog!.entries.map((entry, at) => (at === 1 ? forged(entry) : entry));
      const { alarms } = await ada.engine.ingestLogs({ logs: [benLog!, { ...cleoLog!, entries }] });
      expect(alarms).toEqual([{ accountId: cleo.accountId, kind: 'invalid', blocked: true }]);
      const views = await ada.engine.identities({ accountIds: [ben.accountId, cleo.accountId] });
      expect(views.map(({ state }) => state)).toEqual(['unverified', 'unknown']);
      return recordsOf(ada);
    };
    const backend = await gate();
    expect(await run(backend)).toBe(await run(null));
  });
});

/** A new device of Ada's takes her backup and reads a page of four chains in which one message was changed. */
async function aRestore(backend: AheadBackend | null): Promise<string> {
  const server = new Exchange(backend);
  const ada = await server.join('ada');
  const others = [await server.join('ben'), await server.join('cleo'), await server.join('dan')];
  const talk = server.conversation('text', channel, [ada, ...others]);
  await ada.engine.compareBackup({ status: { version: 0, count: 0, manifest: null } });
  for (const round of [1, 2, 3])
    for (const person of [...others, ada]) await server.say(person, talk, `${person.name} ${round}`);
  await server.read(ada, talk);
  const append = await ada.engine.nextBackup({ now: server.now });
  const { entries, manifest, version } = append!;
  const status = { version, manifest, count: entries.length };
  await ada.engine.backupStored({ count: entries.length });
  server.now += 60_000;
  const device = await server.addDevice(ada);
  await device.engine.compareBackup({ status });
  const step = await device.engine.takeBackup({ page: { from: 0, entries: [...entries] } });
  expect(step.state).toBe('current');
  const events = server.events.get(channel)!;
  const newest = events.length - 1;
  events[newest - 1] = { ...events[newest - 1]!, envelope: forged(events[newest - 1]!.envelope!) };
  const results = await server.read(device, talk);
  expect(results.map(stateOf)).toEqual(
    events.map((_, at) => (at === newest - 1 ? 'failed changed_on_the_way' : 'decrypted')),
  );
  return spelled([recordsOf(device), results]);
}

describe('A99 a page after a restore', () => {
  it('A99 opens the same, and refuses the same message, with its signatures checked ahead', async () => {
    const backend = await gate();
    const ahead = await aRestore(backend);
    expect(ahead).toBe(await aRestore(null));
  });
});

describe('a backend that is late', () => {
  it('nothing is stored or answered before it has spoken; other calls wait their turn', async () => {
    const backend = await gate();
    const server = new Exchange(backend);
    const [ada, ben] = [await server.join('ada'), await server.join('ben')];
    const conversation = server.conversation('text', channel, [ada, ben]);
    const done: string[] = [];
    const before = recordsOf(ada);
    backend.hold();
    const logs = server.logsFor([{ accountId: ben.accountId, fromSeq: 0 }]);
    const ingesting = ada.engine.ingestLogs({ logs }).then(() => done.push('logs'));
    const looking = ada.engine
      .identities({ accountIds: [ben.accountId] })
      .then(([view]) => done.push(view?.state ?? 'none'));
    await expect.poll(() => backend.waiting).toBe(1);
    expect(recordsOf(ada)).toBe(before);
    expect(done).toEqual([]);
    backend.letGo();
    await Promise.all([ingesting, looking]);
    expect(done).toEqual(['logs', 'unverified']);

    const { bundles } = await ada.engine.missingKeys({ conversation, logsFresh: true, now: server.now });
    const claims = server.claim(bundles);
    const known = recordsOf(ada);
    backend.hold();
    const starting = ada.engine.startSessions({ claims, now: server.now }).then(() => done.push('sessions'));
    await expect.poll(() => backend.waiting).toBe(1);
    expect(recordsOf(ada)).toBe(known);
    backend.letGo();
    await starting;
    expect(done).toHaveLength(3);
    expect(recordsOf(ada)).not.toBe(known);
  });

  it('one that stops knowing anything changes nothing', async () => {
    const backend = await gate();
    backend.knowsNothing = true;
    expect(await aTalk(backend)).toBe(await inPlaceTalk());
    expect(backend.answered).toBe(0);
  });
});

describe('which backend', () => {
  it('is said to whoever debugs', async () => {
    const { engine } = new Exchange(await gate()).engine('ada');
    expect(await engine.backend()).toBe('webcrypto');
    expect(await new Exchange(null).engine('ada').engine.backend()).toBe('pure');
  });
});
