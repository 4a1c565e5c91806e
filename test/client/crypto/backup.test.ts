// The engine's backup against a server that keeps a list honestly or not: what a new device gets, and what it refuses (A85).
import { beforeEach, describe, expect, it } from 'vitest';
import { peerNote, putPeerNote } from '#client/crypto/backup-queue.ts';
import type { BackupStep } from '#client/crypto/protocol.ts';
import { UnitOfWork } from '#client/crypto/unit-of-work.ts';
import { utf8 } from '#crypto/index.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { ChannelId } from '#shared/ids.ts';
import { Exchange, textsOf, type Person } from '../support/exchange.ts';
import { replacedLog } from '../support/world.ts';

const channel = '018f0000-0000-7000-8000-0000000000c1' as ChannelId;
const dm = '018f0000-0000-7000-8000-0000000000d1' as ChannelId;

/** What the server keeps of one account, and what it kept earlier. */
class List {
  entries: string[] = [];
  status: BackupStatus = { version: 0, count: 0, manifest: null };
  readonly past: BackupStatus[] = [];

  async push(person: Person, now: number): Promise<void> {
    for (;;) {
      const append = await person.engine.nextBackup({ now });
      if (!append) return;
      expect(append.expectedCount).toBe(this.entries.length);
      this.past.push(this.status);
      this.entries.push(...append.entries);
      const { version, manifest } = append;
      this.status = { version, count: this.entries.length, manifest };
      await person.engine.backupStored({ count: this.entries.length });
    }
  }

  /** Pulls as a client does, a few entries a page; `changed` stands between. */
  async pull(
    person: Person,
    changed: (page: BackupPage) => BackupPage = (page) => page,
  ): Promise<BackupStep> {
    let step = await person.engine.compareBackup({ status: this.status });
    while (step.state === 'behind') {
      const from = Math.max(step.from, step.to - 3);
      step = await person.engine.takeBackup({
        page: changed({ from, entries: this.entries.slice(from, step.to) }),
      });
    }
    return step;
  }
}

let server: Exchange;
let list: List;
let ada: Person;
let ben: Person;

beforeEach(async () => {
  server = new Exchange();
  list = new List();
  [ada, ben] = [await server.join('ada'), await server.join('ben')];
}, 60_000);

/** Ada looks at her empty backup, both talk, and everything of hers is backed up. */
async function talkAndBackUp(): Promise<void> {
  await list.pull(ada);
  const talk = server.conversation('text', channel, [ada, ben]);
  const direct = server.conversation('dm', dm, [ada, ben]);
  for (let n = 0; n < 5; n++) {
    await server.say(ben, talk, `ben ${n}`);
    await server.say(ada, talk, `ada ${n}`);
    await server.say(ben, direct, `dm ben ${n}`);
    await server.say(ada, direct, `dm ada ${n}`);
    await server.read(ada, talk);
    await server.read(ada, direct);
    await list.push(ada, server.now);
  }
}

/** The head of the backup, put into the account's log. */
async function nameIt(): Promise<void> {
  const entry = await ada.engine.backupHeadEntry({ now: server.now });
  server.logs.get(ada.accountId)!.push(entry!);
  await ada.engine.ingestLogs({
    logs: server.logsFor([{ accountId: ada.accountId, fromSeq: 0 }]),
    isMailTaken: true,
  });
}

async function newDevice(): Promise<Person> {
  server.now += 60_000;
  const device = await server.addDevice(ada);
  await ada.engine.ingestLogs({
    logs: server.logsFor([{ accountId: ada.accountId, fromSeq: 0 }]),
    isMailTaken: true,
  });
  return device;
}

const bothOf = async (device: Person): Promise<(string | null)[][]> => {
  const talk = server.conversation('text', channel, [ada, ben]);
  const direct = server.conversation('dm', dm, [ada, ben]);
  return [textsOf(await server.read(device, talk)), textsOf(await server.read(device, direct))];
};

describe('backup of keys', () => {
  it('brings a new device everything, in pages, and nothing waits afterwards', async () => {
    await talkAndBackUp();
    await nameIt();
    const device = await newDevice();
    expect(await list.pull(device)).toMatchObject({ state: 'current' });
    const five = (who: string): string[] => Array.from({ length: 5 }, (_, n) => `${who} ${n}`);
    const mixed = (a: string[], b: string[]): string[] => a.flatMap((one, n) => [one, b[n]!]);
    expect(await bothOf(device)).toEqual([
      mixed(five('ben'), five('ada')),
      mixed(five('dm ben'), five('dm ada')),
    ]);
    const view = await device.engine.backupView();
    expect(view).toEqual({
      count: list.entries.length,
      waiting: 0,
      isRestoring: false,
      refusal: null,
      isRotationDue: false,
      isOutdated: false,
    });
    expect(await device.engine.nextBackup({ now: server.now })).toBeNull();
  });

  it('is queued with the key: an engine that starts anew on the same records still has it to back up', async () => {
    await talkAndBackUp();
    const talk = server.conversation('dm', dm, [ada, ben]);
    await server.say(ben, talk, 'one more');
    await server.collect(ada);
    const first = await ada.engine.nextBackup({ now: server.now });
    expect(first?.entries).toHaveLength(1);
    const again = await ada.engine.nextBackup({ now: server.now + 5000 });
    expect(again).toEqual(first);
    expect((await ada.engine.backupView()).waiting).toBe(1);
  });

  it('an append whose answer was lost is found again on the server and not repeated', async () => {
    await talkAndBackUp();
    const direct = server.conversation('dm', dm, [ada, ben]);
    await server.say(ben, direct, 'one more');
    await server.collect(ada);
    const { entries, manifest, version } = (await ada.engine.nextBackup({ now: server.now }))!;
    list.entries.push(...entries);
    list.status = { version, manifest, count: list.entries.length };
    expect(await list.pull(ada)).toMatchObject({ state: 'current' });
    expect((await ada.engine.backupView()).waiting).toBe(0);
    expect(await ada.engine.nextBackup({ now: server.now })).toBeNull();
  });

  it('A85 an old backup is refused with the figures, by the log on a new device and by memory on a known one', async () => {
    await talkAndBackUp();
    await nameIt();
    const count = list.entries.length;
    const device = await newDevice();
    const older = list.past.at(-1)!;
    const refusal = { reason: 'old', expected: count, got: older.count };
    for (const person of [device, ada]) {
      const step = await person.engine.compareBackup({ status: older });
      expect(step).toMatchObject({ state: 'refused', refusal });
    }
    const none = { version: 0, count: 0, manifest: null };
    expect(await device.engine.compareBackup({ status: none })).toMatchObject({
      refusal: { reason: 'old', expected: count, got: 0 },
    });
    expect(await ada.engine.nextBackup({ now: server.now })).toBeNull();
    expect(await list.pull(device)).toMatchObject({ state: 'current' });
    expect((await device.engine.backupView()).refusal).toBeNull();
  });

  it('A85 entries left out, exchanged, or of somebody else are refused, and no key of them is kept', async () => {
    await talkAndBackUp();
    const device = await newDevice();
    const others = new List();
    await others.pull(ben);
    await others.push(ben, server.now);
    const cases: ((page: BackupPage) => BackupPage)[] = [
      (page) => ({ ...page, entries: page.entries.slice(0, -1) }),
      (page) => ({ ...page, from: page.from + 1, entries: page.entries.slice(1).concat(page.entries[0]!) }),
      (page) => ({ ...page, entries: page.entries.toReversed() }),
      (page) => ({ ...page, entries: page.entries.map(() => others.entries[0]!) }),
      (page) => ({ ...page, entries: [] }),
    ];
    for (const changed of cases) {
      expect(await list.pull(device, changed)).toMatchObject({
        state: 'refused',
        refusal: { reason: 'changed' },
      });
      expect((await device.engine.backupView()).count).toBe(0);
    }
    expect(await list.pull(device)).toMatchObject({ state: 'current' });
  });

  it('A85 another person’s manifest, or one under another count, is refused', async () => {
    await talkAndBackUp();
    const device = await newDevice();
    const others = new List();
    await others.pull(ben);
    await server.say(ben, server.conversation('text', channel, [ada, ben]), 'more');
    await others.push(ben, server.now);
    const wrong = [
      others.status,
      { ...list.status, count: list.status.count + 1 },
      { ...list.status, version: 2 },
    ];
    for (const status of wrong) {
      expect(await device.engine.compareBackup({ status })).toMatchObject({ state: 'refused' });
    }
  });

  it('the head in the log is due at once, then when devices change or time has passed', async () => {
    await talkAndBackUp();
    await nameIt();
    const due = (): Promise<string | null> => ada.engine.backupHeadEntry({ now: server.now });
    expect(await due()).toBeNull();
    await server.say(ben, server.conversation('dm', dm, [ada, ben]), 'one more');
    await server.collect(ada);
    await list.push(ada, server.now);
    expect(await due()).toBeNull();
    server.now += 25 * 3_600_000;
    expect(await due()).not.toBeNull();
    server.now -= 25 * 3_600_000;
    await newDevice();
    expect(await due()).not.toBeNull();
  });

  it('notes about people reach the other devices; the newest counts', async () => {
    await list.pull(ada);
    const aid = utf8('x'.repeat(32));
    const note = async (person: Person, text: string): Promise<void> => {
      const unit = new UnitOfWork(person.store, `${person.accountId}/`);
      putPeerNote(unit, aid, utf8(text));
      await unit.commit();
    };
    const read = (person: Person) => peerNote(new UnitOfWork(person.store, `${person.accountId}/`), aid);
    await note(ada, 'verified');
    await list.push(ada, server.now);
    await note(ada, 'verified in person');
    await list.push(ada, server.now);
    const device = await newDevice();
    await list.pull(device);
    expect(await read(device)).toEqual(utf8('verified in person'));
    await note(device, 'not any more');
    await list.push(device, server.now);
    await list.pull(ada);
    expect(await read(ada)).toEqual(utf8('not any more'));
  });

  it('A05 who was checked is so on every own device, and a new one is warned of a swap it never saw', async () => {
    const { accountId } = ben;
    const meet = async (person: Person) =>
      person.engine.ingestLogs({ logs: server.logsFor([{ accountId, fromSeq: 0 }]), isMailTaken: true });
    const stateAt = async (person: Person): Promise<string> => {
      const [view] = await person.engine.identities({ accountIds: [accountId] });
      return `${view?.state} ${view?.verified?.how ?? '-'}`;
    };
    await list.pull(ada);
    await meet(ada);
    const { aid } = (await ada.engine.compare({ accountId }))!;
    await ada.engine.verify({ accountId, aid, how: 'digits', now: server.now });
    await list.push(ada, server.now);
    const met = await newDevice();
    await meet(met);
    expect(await stateAt(met)).toBe('unverified -');
    await list.pull(met);
    expect(await stateAt(met)).toBe('verified digits');

    // From now on the server shows somebody else under Ben's name.
    server.logs.set(accountId, replacedLog(accountId, server.now));
    const late = await newDevice();
    await list.pull(late);
    await meet(late);
    expect(await stateAt(late)).toBe('blocked digits');

    await met.engine.unverify({ accountId, now: server.now + 1 });
    await list.push(met, server.now);
    await list.pull(ada);
    expect(await stateAt(ada)).toBe('unverified -');
  });
});
