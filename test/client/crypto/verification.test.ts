// People check each other, and a server that shows them somebody else before or after: nothing goes to keys they did
// not check, on this device, at any time.
import { beforeEach, describe, expect, it } from 'vitest';
import type { CodeVerdict, Comparison } from '#client/crypto/protocol.ts';
import { textsOf, type Person } from '../support/exchange.ts';
import { makeWorld, replacedLog, rotatingLog, type World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
  await meet(world.ada, world.ben);
  await meet(world.ben, world.ada);
});

/** Fetches somebody's whole log, as far as the server shows one. */
async function meet(person: Person, other: Person) {
  const logs = world.server.logsFor([{ accountId: other.accountId, fromSeq: 0 }]);
  return (await person.engine.ingestLogs({ logs, isMailTaken: true })).alarms;
}

async function comparison(person: Person, other: Person): Promise<Comparison> {
  const found = await person.engine.compare({ accountId: other.accountId });
  if (!found) throw new Error('nothing to compare');
  return found;
}

async function verify(person: Person, other: Person, how: 'digits' | 'code' = 'digits'): Promise<void> {
  const { aid } = await comparison(person, other);
  await person.engine.verify({ accountId: other.accountId, aid, how, now: world.server.now });
}

async function read(person: Person, of: Person, code: string): Promise<CodeVerdict> {
  return person.engine.readCode({ accountId: of.accountId, code });
}

async function stateOf(person: Person, of: Person): Promise<string> {
  const [view] = await person.engine.identities({ accountIds: [of.accountId] });
  return `${view?.state} ${view?.alarm ?? '-'} ${view?.verified?.how ?? '-'}`;
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );
const mailed = (): number => [...world.server.mail.values()].flat().length;

describe('comparing', () => {
  it('A92 both people see the same sixty digits, others see others', async () => {
    const { server, ada, ben } = world;
    const cleo = await server.join('cleo');
    await meet(ada, cleo);
    const { groups } = await comparison(ada, ben);
    expect(groups).toHaveLength(12);
    expect((await comparison(ben, ada)).groups).toEqual(groups);
    expect((await comparison(ada, cleo)).groups).not.toEqual(groups);
  });

  it('each verifies for themselves; once covers every device, also those that come later', async () => {
    const { server, ada, ben } = world;
    expect(await stateOf(ada, ben)).toBe('unverified - -');
    await verify(ada, ben);
    expect(await stateOf(ada, ben)).toBe('verified - digits');
    expect(await stateOf(ben, ada)).toBe('unverified - -');
    const { groups } = await comparison(ada, ben);
    await server.addDevice(ben);
    expect(await meet(ada, ben)).toEqual([]);
    expect(await stateOf(ada, ben)).toBe('verified - digits');
    expect((await comparison(ada, ben)).groups).toEqual(groups);
    const [view] = await ada.engine.identities({ accountIds: [ben.accountId] });
    expect(view?.devices.map((device) => device.addedBy)).toEqual([null, null]);
  });

  it('A05 stays while their root hands over to another; a root that nobody handed over to is refused', async () => {
    const { server, ada } = world;
    const { accountId, entries, rotate, addByNew, addByThief } = rotatingLog(server.now);
    const ingest = async (log: readonly string[]) =>
      (await ada.engine.ingestLogs({ logs: [{ accountId, entries: [...log], devices: [] }] })).alarms;
    expect(await ingest(entries)).toEqual([]);
    const before = await ada.engine.compare({ accountId });
    await ada.engine.verify({ accountId, aid: before!.aid, how: 'digits', now: server.now });
    expect(await ingest([...entries, rotate, addByNew])).toEqual([]);
    const [view] = await ada.engine.identities({ accountIds: [accountId] });
    expect(view).toMatchObject({ state: 'verified', alarm: null });
    expect(view?.devices).toHaveLength(2);
    expect(await ada.engine.compare({ accountId })).toMatchObject({
      aid: before!.aid,
      groups: before!.groups,
    });
    // The root that handed over signs nothing any more.
    const alarms = await ingest([...entries, rotate, addByNew, addByThief]);
    expect(alarms).toEqual([{ accountId, kind: 'invalid', blocked: true }]);
  });

  it('can be taken back; nobody verifies themselves, nor an identity they were not shown', async () => {
    const { server, ada, ben } = world;
    await verify(ada, ben);
    await ada.engine.unverify({ accountId: ben.accountId, now: server.now });
    expect(await stateOf(ada, ben)).toBe('unverified - -');
    const { aid } = await comparison(ben, ada);
    const wrong = { accountId: ben.accountId, aid, how: 'digits', now: server.now } as const;
    expect(await codeOf(ada.engine.verify(wrong))).toBe('mismatch');
    expect(await codeOf(ada.engine.verify({ ...wrong, accountId: ada.accountId }))).toBe('not_allowed');
    expect(await ada.engine.compare({ accountId: ada.accountId })).toBeNull();
  });

  it('is remembered when this browser logs in anew', async () => {
    const { server, ada, ben } = world;
    await verify(ada, ben);
    const { accountId, engine } = ada;
    await engine.deriveLogin({ password: 'ada-password', kdf: server.kdfs.get(accountId)! });
    const log = server.logs.get(accountId)!;
    const vault = server.vaults.get(accountId)!;
    const { entry } = await engine.certifyDevice({ accountId, vault, log, now: server.now });
    await engine.adopt();
    log.push(entry);
    await meet(ada, ben);
    expect(await stateOf(ada, ben)).toBe('verified - digits');
  });

  it('is due again after starting over oneself', async () => {
    const { server, ada, ben } = world;
    await verify(ada, ben);
    const key = [...(await ada.store.list('')).keys()].find((name) => name.includes('/verified/'))!;
    const kept = (await ada.store.read([key])).get(key)!;
    const anew = await server.rejoin(ada);
    await anew.store.commit({ expect: [], put: [{ key, value: kept.value }], remove: [] });
    await meet(anew, ben);
    expect(await stateOf(anew, ben)).toBe('you_reset - digits');
    await verify(anew, ben);
    expect(await stateOf(anew, ben)).toBe('verified - digits');
  });
});

describe('codes', () => {
  it('a code read from the other screen verifies; one’s own, others’ and foreign ones do not', async () => {
    const { server, ada, ben } = world;
    const cleo = await server.join('cleo');
    for (const other of [ada, ben]) {
      await meet(cleo, other);
      await meet(other, cleo);
    }
    const { aid } = await comparison(ada, ben);
    const shown = async (by: Person, to: Person) => (await comparison(by, to)).code;
    expect(await read(ada, ben, await shown(ben, ada))).toEqual({ kind: 'match', aid });
    expect(await read(ada, ben, await shown(ada, ben))).toEqual({ kind: 'own' });
    const { accountId } = cleo;
    expect(await read(ada, ben, await shown(cleo, ada))).toEqual({ kind: 'other_person', accountId });
    expect(await read(ada, ben, await shown(ben, cleo))).toEqual({ kind: 'for_other', accountId });
    expect(await read(ada, ben, 'https://example.org')).toEqual({ kind: 'not_a_code' });
    expect(await stateOf(ada, ben)).toBe('unverified - -');
  });

  it('A05 a server in the middle is found out by whoever reads, on either side', async () => {
    const { server, ada, ben } = world;
    // Both are shown a person of the server's making in the other's place, from the first moment on.
    const [forAda, forBen] = [ben, ada].map(({ accountId }) => replacedLog(accountId, server.now));
    const [a, b] = [await server.join('ada'), await server.join('ben')];
    const ids = new Map([
      [ben.accountId, forAda],
      [ada.accountId, forBen],
    ]);
    for (const [accountId, entries] of ids) {
      const logs = [{ accountId, entries: entries ?? [], devices: [] }];
      await (accountId === ben.accountId ? a : b).engine.ingestLogs({ logs });
    }
    const ofB = await b.engine.compare({ accountId: ada.accountId });
    expect(await read(a, ben, ofB!.code)).toEqual({ kind: 'other_identity' });
    const ofA = await a.engine.compare({ accountId: ben.accountId });
    expect(await read(b, ada, ofA!.code)).toEqual({ kind: 'other_identity' });
    expect(ofA!.groups).not.toEqual(ofB!.groups);
  });

  it('the right person who is shown somebody else for oneself is told apart', async () => {
    const { server, ada, ben } = world;
    const logs = [{ accountId: ada.accountId, entries: replacedLog(ada.accountId, server.now), devices: [] }];
    await ben.engine.ingestLogs({ logs });
    const code = (await comparison(ben, ada)).code;
    expect(await read(ada, ben, code)).toEqual({ kind: 'sees_other_you' });
  });
});

describe('a verified person who starts over', () => {
  it('A05 is a hard stop: nothing is encrypted to them until somebody acts', async () => {
    const { server, ada, ben, talk, direct } = world;
    await server.say(ada, direct, 'before');
    await server.say(ada, talk, 'before');
    await verify(ada, ben);
    server.logs.set(ben.accountId, replacedLog(ben.accountId, server.now));
    expect(await meet(ada, ben)).toEqual([{ accountId: ben.accountId, kind: 'reset', blocked: true }]);
    expect(await stateOf(ada, ben)).toBe('blocked reset digits');
    const before = mailed();
    expect(await codeOf(server.say(ada, direct, 'never'))).toBe('identity_reset');
    await server.say(ada, talk, 'to the others only');
    expect(mailed()).toBe(before);
    expect(textsOf(await server.read(ben, talk)).at(-1)).toBeNull();
    // Giving up the old verification is no way around the decision.
    expect(await codeOf(ada.engine.unverify({ accountId: ben.accountId, now: server.now }))).toBe(
      'not_allowed',
    );
    expect(await stateOf(ada, ben)).toBe('blocked reset digits');
  });

  it('A05 is verified again by comparing with the new identity; the old code is told apart', async () => {
    const { server, ada, ben, talk } = world;
    await verify(ada, ben);
    const old = (await comparison(ben, ada)).code;
    const anew = await server.rejoin(ben);
    await meet(ada, ben);
    await meet(anew, ada);
    expect(await read(ada, ben, old)).toEqual({ kind: 'old_identity' });
    const verdict = await read(ada, ben, (await comparison(anew, ada)).code);
    expect(verdict.kind).toBe('match');
    expect((await comparison(anew, ada)).groups).toEqual((await comparison(ada, ben)).groups);
    await verify(ada, ben, 'code');
    expect(await stateOf(ada, ben)).toBe('verified - code');
    await server.say(ada, talk, 'welcome back');
    expect(textsOf(await server.read(anew, talk))).toEqual(['welcome back']);
  });

  it('A05 accepted unchecked is unverified from then on', async () => {
    const { server, ada, ben } = world;
    await verify(ada, ben);
    server.logs.set(ben.accountId, replacedLog(ben.accountId, server.now));
    await meet(ada, ben);
    const { aid } = await comparison(ada, ben);
    // The server swaps in yet another identity after the person looked: that one was never shown.
    server.logs.set(ben.accountId, replacedLog(ben.accountId, server.now + 1));
    await meet(ada, ben);
    expect(await codeOf(ada.engine.acceptIdentity({ accountId: ben.accountId, aid, now: server.now }))).toBe(
      'mismatch',
    );
    const shown = (await comparison(ada, ben)).aid;
    await ada.engine.acceptIdentity({ accountId: ben.accountId, aid: shown, now: server.now });
    expect(await stateOf(ada, ben)).toBe('unverified - -');
  });

  it('A04 a forked log of a verified person offers nothing to compare', async () => {
    const { server, ada, ben, direct } = world;
    await verify(ada, ben);
    const whole = [...(server.logs.get(ben.accountId) ?? [])];
    await server.addDevice(ben);
    await meet(ada, ben);
    server.logs.set(ben.accountId, whole);
    await server.addDevice(ben);
    await meet(ada, ben);
    expect(await stateOf(ada, ben)).toBe('blocked fork digits');
    expect(await ada.engine.compare({ accountId: ben.accountId })).toBeNull();
    expect(await codeOf(server.say(ada, direct, 'never'))).toBe('identity_reset');
  });
});

describe('an invite link that names its maker', () => {
  it('checks the genesis it is shown, byte for byte', async () => {
    const { server, ada, ben } = world;
    const pin = await ben.engine.invitePin();
    const { accountId } = ben;
    const [genesis = ''] = server.logs.get(accountId) ?? [];
    expect(await ada.engine.checkInvitePin({ accountId, genesis, pin })).toBe(true);
    const [other = ''] = replacedLog(accountId, server.now);
    expect(await ada.engine.checkInvitePin({ accountId, genesis: other, pin })).toBe(false);
    expect(await ada.engine.checkInvitePin({ accountId: ada.accountId, genesis, pin })).toBe(false);
    expect(await ada.engine.checkInvitePin({ accountId, genesis: 'AAAA', pin })).toBe(false);
  });

  it('A05 another identity at first sight is blocked, and the real one taken when it comes', async () => {
    const { server, ben } = world;
    const { accountId } = ben;
    const cleo = await server.join('cleo');
    const direct = server.conversation('dm', world.direct.channelId, [cleo, ben]);
    await cleo.engine.pinInviter({ accountId, pin: await ben.engine.invitePin(), now: server.now });
    const real = server.logs.get(accountId)!;
    server.logs.set(accountId, replacedLog(accountId, server.now));
    expect(await meet(cleo, ben)).toEqual([{ accountId, kind: 'reset', blocked: true }]);
    expect(await stateOf(cleo, ben)).toBe('blocked reset invite');
    // Showing it again changes nothing.
    expect(await meet(cleo, ben)).toEqual([{ accountId, kind: 'reset', blocked: true }]);
    const before = mailed();
    expect(await codeOf(server.say(cleo, direct, 'never'))).toBe('identity_reset');
    expect(mailed()).toBe(before);
    server.logs.set(accountId, real);
    expect(await meet(cleo, ben)).toEqual([]);
    expect(await stateOf(cleo, ben)).toBe('verified - invite');
    await server.say(cleo, direct, 'hello');
    expect(textsOf(await server.read(ben, direct))).toEqual(['hello']);
  });

  it('A05 contradicting what is known already, it blocks; comparing outranks it', async () => {
    const { server, ada, ben } = world;
    const pin = await ada.engine.invitePin(); // somebody else's
    await ada.engine.pinInviter({ accountId: ben.accountId, pin, now: server.now });
    expect(await stateOf(ada, ben)).toBe('blocked reset invite');
    await verify(ada, ben);
    expect(await stateOf(ada, ben)).toBe('verified - digits');
    await ada.engine.pinInviter({ accountId: ben.accountId, pin, now: server.now });
    expect(await stateOf(ada, ben)).toBe('verified - digits');
  });
});
