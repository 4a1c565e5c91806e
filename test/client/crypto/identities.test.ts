// A server that shows people's identities as it likes: nothing is encrypted to keys nobody vouched for.
import { beforeEach, describe, expect, it } from 'vitest';
import type { IdentityAlarm } from '#client/crypto/protocol.ts';
import { textsOf, type Person } from '../support/exchange.ts';
import { makeWorld, replacedLog, stateOf, type World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});

/** Fetches a log the way the sync layer does: from the known head on, and whole when that raises an alarm. */
async function look(person: Person, at: Person): Promise<readonly IdentityAlarm[]> {
  const { server } = world;
  const { accountId } = at;
  const accounts = [{ accountId, headSeq: Number.MAX_SAFE_INTEGER }];
  const needed = await person.engine.logsNeeded({ accounts });
  const { alarms } = await person.engine.ingestLogs({ logs: server.logsFor(needed), isMailTaken: true });
  if (alarms.length === 0) return alarms;
  const logs = server.logsFor([{ accountId, fromSeq: 0 }]);
  return (await person.engine.ingestLogs({ logs, isMailTaken: true })).alarms;
}

/** Takes the identity that waits, as shown to the person. */
async function accept(person: Person, of: Person): Promise<void> {
  const { accountId } = of;
  const [view] = await person.engine.identities({ accountIds: [accountId] });
  await person.engine.acceptIdentity({ accountId, aid: view?.offered ?? '', now: Date.now() });
}

async function stateSeenBy(person: Person, of: Person): Promise<string> {
  const [view] = await person.engine.identities({ accountIds: [of.accountId] });
  return `${view?.state} ${view?.alarm ?? '-'}`;
}

async function dmFails(from: Person): Promise<string> {
  const { server, direct } = world;
  return server.say(from, direct, 'never').then(
    () => 'sent',
    (error: { code: string }) => error.code,
  );
}

describe('a replaced identity', () => {
  it('A05 is a notice and a hold: nothing is encrypted to the new keys until a person accepts them', async () => {
    const { server, ada, ben, talk, direct } = world;
    await server.say(ada, direct, 'before');
    await server.say(ada, talk, 'before');
    await server.read(ben, talk);
    const mailed = () => [...server.mail.values()].flat().length;
    server.logs.set(ben.accountId, replacedLog(ben.accountId, server.now));
    expect(await look(ada, ben)).toEqual([{ accountId: ben.accountId, kind: 'reset', blocked: false }]);
    expect(await stateSeenBy(ada, ben)).toBe('held reset');
    const before = mailed();
    expect(await dmFails(ada)).toBe('identity_reset');
    await server.say(ada, talk, 'to the others only');
    expect(mailed()).toBe(before);
    // The held person cannot read what was written meanwhile, not even with the keys they had.
    expect(textsOf(await server.read(ben, talk)).at(-1)).toBeNull();
    await accept(ada, ben);
    expect(await stateSeenBy(ada, ben)).toBe('unverified -');
  });

  it('A05 what the held person sends is not shown, and counts once they are accepted', async () => {
    const { server, ada, ben, talk } = world;
    await server.say(ada, talk, 'hello');
    await server.read(ben, talk);
    const again = await server.join('ben again');
    const log = server.logs.get(again.accountId) ?? [];
    // The server passes a new account's device off as Ben's: the log is of another account and never becomes his.
    server.logs.set(ben.accountId, log);
    await look(ada, ben);
    expect(await stateSeenBy(ada, ben)).toMatch(/blocked/);
    await expect(accept(ada, ben)).rejects.toThrow();
    const event = await server.say(ben, talk, 'am I held?');
    expect(stateOf((await server.read(ada, talk)).at(-1))).not.toContain('decrypted reset');
    expect(event.senderAccountId).toBe(ben.accountId);
  });

  it('A05 key packets of a held person wait for the tap and open after it', async () => {
    const { server, ada, ben, talk } = world;
    server.logs.set(ben.accountId, replacedLog(ben.accountId, server.now));
    await ada.engine.ingestLogs({ logs: server.logsFor([{ accountId: ben.accountId, fromSeq: 0 }]) });
    const real = await server.rejoin(ben);
    expect((await look(ada, ben)).map((alarm) => alarm.kind)).toEqual(['reset']);
    await server.say(real, talk, 'it is me, on a new computer');
    for (let round = 0; round < 8; round++) {
      const [first] = await server.read(ada, talk);
      expect(stateOf(first)).toBe('pending identity_hold');
    }
    await accept(ada, ben);
    expect(textsOf(await server.read(ada, talk))).toEqual(['it is me, on a new computer']);
  });

  it('the own identity is never replaced by what the server shows', async () => {
    const { server, ada } = world;
    server.logs.set(ada.accountId, replacedLog(ada.accountId, server.now));
    await look(ada, ada);
    await expect(accept(ada, ada)).rejects.toMatchObject({
      code: 'not_allowed',
    });
  });
});

describe('a log that says less or something else', () => {
  it.each(['from the head', 'whole'] as const)(
    'A03 a truncated log (%s) stops sending until it is shown again',
    async (way) => {
      const { server, ada, ben } = world;
      await server.addDevice(ben);
      await look(ada, ben);
      const whole = server.logs.get(ben.accountId) ?? [];
      server.logs.set(ben.accountId, whole.slice(0, -1));
      const fromSeq = way === 'whole' ? 0 : whole.length - 1;
      const logs = server.logsFor([{ accountId: ben.accountId, fromSeq }]);
      expect((await ada.engine.ingestLogs({ logs })).alarms).toEqual([
        { accountId: ben.accountId, kind: 'truncated', blocked: true },
      ]);
      expect(await dmFails(ada)).toBe('identity_reset');
      server.logs.set(ben.accountId, whole);
      expect(await look(ada, ben)).toEqual([]);
      expect(await dmFails(ada)).toBe('sent');
    },
  );

  it('A04 a forked log stops sending for good, and what is known stays known', async () => {
    const { server, ada, ben } = world;
    const whole = [...(server.logs.get(ben.accountId) ?? [])];
    await server.addDevice(ben);
    await look(ada, ben);
    const first = server.logs.get(ben.accountId);
    server.logs.set(ben.accountId, whole);
    await server.addDevice(ben); // another device at the same position of the log
    expect((await look(ada, ben)).map((alarm) => alarm.kind)).toEqual(['fork']);
    expect(await dmFails(ada)).toBe('identity_reset');
    server.logs.set(ben.accountId, first ?? []);
    await look(ada, ben);
    expect(await stateSeenBy(ada, ben)).toBe('blocked fork');
    expect(await dmFails(ada)).toBe('identity_reset');
  });

  it('A04 two people shown different logs find out by the first packet between them', async () => {
    const { server, ada, ben, talk } = world;
    await server.say(ben, talk, 'hello');
    await server.read(ada, talk);
    const whole = [...(server.logs.get(ben.accountId) ?? [])];
    await server.addDevice(ben);
    const shownToBen = server.logs.get(ben.accountId) ?? [];
    await look(ben, ben);
    server.logs.set(ben.accountId, whole);
    await server.addDevice(ben);
    await look(ada, ben);
    server.logs.set(ben.accountId, shownToBen);
    await server.say(ben, talk, 'again');
    const packets = server.mail.get(ada.deviceId) ?? [];
    const { alarms } = await ada.engine.receivePackets({ packets, now: server.now });
    expect(alarms).toEqual([{ accountId: ben.accountId, kind: 'fork', blocked: true }]);
    expect(await dmFails(ada)).toBe('identity_reset');
  });

  it('A03 a newer head named by a packet is looked for; a server that hides it is caught', async () => {
    const { server, ada, ben, talk, direct } = world;
    await server.say(ben, talk, 'hello');
    await server.read(ada, talk);
    await server.say(ada, direct, 'psst');
    await server.read(ben, direct);
    const before = [...(server.logs.get(ben.accountId) ?? [])];
    await server.addDevice(ben);
    const after = server.logs.get(ben.accountId) ?? [];
    await look(ben, ben);
    await server.say(ben, direct, 'I have a phone now');
    server.logs.set(ben.accountId, before);
    const packets = server.mail.get(ada.deviceId) ?? [];
    const { needLogs } = await ada.engine.receivePackets({ packets, now: server.now });
    expect(needLogs).toEqual([{ accountId: ben.accountId, fromSeq: 1 }]);
    const { alarms } = await ada.engine.ingestLogs({ logs: server.logsFor(needLogs) });
    expect(alarms).toEqual([{ accountId: ben.accountId, kind: 'truncated', blocked: true }]);
    server.logs.set(ben.accountId, after);
    expect(await look(ada, ben)).toEqual([]);
    expect(await stateSeenBy(ada, ben)).toBe('unverified -');
  });

  it('garbage instead of a log is an alarm and teaches nothing', async () => {
    const { server, ada, ben } = world;
    const whole = server.logs.get(ben.accountId) ?? [];
    await look(ada, ben);
    const logs = [{ accountId: ben.accountId, entries: [whole[0] ?? '', 'AAAA'], devices: [] }];
    expect((await ada.engine.ingestLogs({ logs })).alarms.map((alarm) => alarm.kind)).toEqual(['invalid']);
    expect(await stateSeenBy(ada, ben)).toBe('blocked invalid');
    expect(await look(ada, ben)).toEqual([]);
    expect(await stateSeenBy(ada, ben)).toBe('unverified -');
  });
});

describe('getting in again', () => {
  it('A85 an older vault than this browser has seen is refused', async () => {
    const { server, ada } = world;
    const { accountId, engine } = ada;
    const kdf = server.kdfs.get(accountId)!;
    const certify = async (vault: string) => {
      await engine.deriveLogin({ password: 'ada-password', kdf });
      const log = server.logs.get(accountId)!;
      return engine.certifyDevice({ accountId, vault, log, now: server.now });
    };
    const old = server.vaults.get(accountId)!;
    const { entry } = await certify(await server.newerVault(ada));
    await expect(certify(old)).rejects.toMatchObject({ code: 'stale_record' });
    await engine.adopt();
    server.logs.get(accountId)!.push(entry);
    await expect(certify(old)).rejects.toMatchObject({ code: 'stale_record' });
  });

  it('A03 a shorter log of the own account than this browser knows is refused', async () => {
    const { server, ada } = world;
    const { accountId, engine } = ada;
    await engine.deriveLogin({ password: 'ada-password', kdf: server.kdfs.get(accountId)! });
    const log = server.logs.get(accountId)!.slice(0, 1);
    const input = { accountId, vault: server.vaults.get(accountId)!, log, now: server.now };
    await expect(engine.certifyDevice(input)).rejects.toMatchObject({ code: 'truncated' });
  });
});
