// The relay of linking: three sealed parcels, two minutes, one reader, one log-in; and what it refuses.
import { createHash } from 'node:crypto';
import {
  createAddDevice,
  createBackupHead,
  createRevokeDevice,
  extendAccountLog,
  systemRng,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { expiredLinks } from '#server/jobs/expired-links.job.ts';
import { decodeLogEntry } from '#crypto/verify.ts';
import { limits } from '#shared/limits.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { attachSignature, makeSecondDevice, newId } from '../../support/keys.ts';
import type { Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

const fresh = freshPeople({ ada: {}, bob: {} });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
});

const random = (length: number): string => toBase64Url(systemRng.bytes(length));
const nobody = () => caller(world.deps, null);
const sha = (text: string): string =>
  createHash('sha256').update(Buffer.from(text, 'base64url')).digest('base64url');

/** A mailbox in which the first two parcels lie. */
async function asked(by: Person) {
  const mailboxId = random(16);
  const [meeting, request] = [random(120), random(300)];
  await nobody().links.open({ mailboxId });
  await by.api.links.meet({ mailboxId, parcel: meeting });
  await nobody().links.ask({ mailboxId, parcel: request });
  return { mailboxId, meeting, request };
}

function approval(by: Person, mailboxId: string) {
  const made = makeSecondDevice(by);
  const claim = random(32);
  const input = {
    mailboxId,
    entry: toBase64Url(made.entry),
    label: 'Phone',
    claimHash: sha(claim),
    parcel: random(200),
  };
  return { ...made, claim, input };
}

describe('the relay', () => {
  it('passes three parcels and lets the new device in, once, and only as itself', async () => {
    const { mailboxId, meeting, request } = await asked(ada);
    const { claim, input, deviceId, device } = approval(ada, mailboxId);
    expect(await nobody().links.read({ mailboxId })).toMatchObject({ meeting, request, grant: null });
    expect(await refusal(nobody().auth.claimLink({ mailboxId, claim }))).toMatchObject({ code: 'conflict' });
    await ada.api.links.approve(input);
    expect((await nobody().links.read({ mailboxId })).grant).toBe(input.parcel);

    expect(await refusal(nobody().auth.claimLink({ mailboxId, claim: random(32) }))).toEqual({
      code: 'bad_credentials',
    });
    const seen = testRequest();
    const grant = await caller(world.deps, null, seen).auth.claimLink({ mailboxId, claim });
    expect(grant).toMatchObject({ accountId: ada.accountId, deviceId: null });
    expect(seen.cookiesSet.size).toBe(1);
    expect(await refusal(nobody().auth.claimLink({ mailboxId, claim }))).toEqual({ code: 'not_found' });
    expect(await db.prisma.linkMailbox.count()).toBe(0);

    const api = caller(world.deps, { accountId: ada.accountId, sessionId: grant.sessionId, deviceId: null });
    const { challenge } = await api.devices.challenge();
    await api.devices.attach({ deviceId, signature: attachSignature(device, grant.sessionId, challenge) });
    const [own] = await api.devices.logs({ accounts: [{ accountId: ada.accountId, fromSeq: 0 }] });
    expect(own?.devices.find((one) => one.deviceId === deviceId)?.label).toBe('Phone');
  });

  it('takes an entry that one of the devices signed, as linking makes it', async () => {
    const { mailboxId } = await asked(ada);
    const { entry } = makeSecondDevice(ada);
    const body = decodeLogEntry(entry).body;
    const cert = extendAccountLog(ada.state, [entry]).devices;
    const added = Object.values(cert).find((one) => one.addedAtSeq === 2)?.cert;
    if (!added || body.op !== 'addDevice') throw new Error('no certificate');
    const { deviceId, signing } = ada.device;
    const signed = createAddDevice(ada.state, added, {
      kind: 'device',
      deviceId,
      secretKey: signing.secretKey,
    });
    await ada.api.links.approve({ ...approval(ada, mailboxId).input, entry: toBase64Url(signed) });
    expect(await db.prisma.device.count({ where: { accountId: ada.accountId } })).toBe(2);
  });

  it('takes every step again as done', async () => {
    const { mailboxId, meeting, request } = await asked(ada);
    const { input } = approval(ada, mailboxId);
    await ada.api.links.meet({ mailboxId, parcel: meeting });
    await nobody().links.ask({ mailboxId, parcel: request });
    await ada.api.links.approve(input);
    const before = await countRows(db);
    await ada.api.links.approve(input);
    expect(await countRows(db)).toEqual(before);
  });
});

describe('fresh proof of the person', () => {
  it('is asked for before a device is let in, and a log-in by linking is none', async () => {
    const { mailboxId } = await asked(ada);
    const first = approval(ada, mailboxId);
    await ada.api.links.approve(first.input);
    const { accountId, sessionId } = await nobody().auth.claimLink({ mailboxId, claim: first.claim });
    // Else one proof would let in any number of devices, each by the one before.
    const linked = caller(world.deps, { accountId, sessionId, deviceId: first.deviceId });
    const next = await asked(bob);
    expect(await refusal(linked.links.approve(approval(ada, next.mailboxId).input))).toEqual({
      code: 'reauthentication_required',
    });
    world.clock.advance(limits.freshMs);
    const late = await asked(bob);
    expect(await refusal(bob.api.links.approve(approval(bob, late.mailboxId).input))).toEqual({
      code: 'reauthentication_required',
    });
    await bob.api.auth.reauthenticate({ kind: 'password', loginSecret: bob.loginSecret });
    await bob.api.links.approve(approval(bob, late.mailboxId).input);
  });

  it('is not asked for to name the backup', async () => {
    world.clock.advance(limits.freshMs);
    const { deviceId, signing } = ada.device;
    const head = { version: 1, count: 1, hash: systemRng.bytes(32) };
    const signer = { kind: 'device', deviceId, secretKey: signing.secretKey } as const;
    await ada.api.devices.append({ entry: toBase64Url(createBackupHead(ada.state, head, signer)) });
  });
});

describe('it refuses', () => {
  it('a code that was read already, by the same account or another', async () => {
    const { mailboxId } = await asked(ada);
    for (const person of [ada, bob]) {
      const again = person.api.links.meet({ mailboxId, parcel: random(120) });
      expect(await refusal(again)).toEqual({ code: 'conflict', what: 'link' });
    }
    expect(await refusal(nobody().links.ask({ mailboxId, parcel: random(300) }))).toMatchObject({
      code: 'conflict',
    });
    expect(await refusal(nobody().links.open({ mailboxId }))).toMatchObject({ code: 'conflict' });
  });

  it('steps out of order', async () => {
    const mailboxId = random(16);
    await nobody().links.open({ mailboxId });
    expect(await refusal(nobody().links.ask({ mailboxId, parcel: random(300) }))).toMatchObject({
      code: 'conflict',
    });
    expect(await refusal(ada.api.links.approve(approval(ada, mailboxId).input))).toEqual({
      code: 'not_found',
    });
    await ada.api.links.meet({ mailboxId, parcel: random(120) });
    expect(await refusal(ada.api.links.approve(approval(ada, mailboxId).input))).toMatchObject({
      code: 'conflict',
    });
  });

  it('approval by another account, of another account’s device, or of anything but a device, and changes nothing', async () => {
    const { mailboxId } = await asked(ada);
    const before = await countRows(db);
    expect(await refusal(bob.api.links.approve(approval(bob, mailboxId).input))).toEqual({
      code: 'not_found',
    });
    const notMine = { ...approval(ada, mailboxId).input, entry: toBase64Url(makeSecondDevice(bob).entry) };
    expect(await refusal(ada.api.links.approve(notMine))).toMatchObject({ code: 'bad_proof' });
    const target = { deviceId: uuidToBytes(ada.deviceId), reason: 'removed' } as const;
    const revoke = createRevokeDevice(ada.state, target, { kind: 'root', secretKey: ada.root.secretKey });
    const notADevice = { ...approval(ada, mailboxId).input, entry: toBase64Url(revoke) };
    expect(await refusal(ada.api.links.approve(notADevice))).toMatchObject({ code: 'bad_proof' });
    expect(await countRows(db)).toEqual(before);
  });

  it('everything after two minutes, and the job clears it away', async () => {
    const { mailboxId } = await asked(ada);
    const { input } = approval(ada, mailboxId);
    world.clock.advance(limits.linkMs);
    const late = [
      () => nobody().links.read({ mailboxId }),
      () => nobody().links.ask({ mailboxId, parcel: random(300) }),
      () => nobody().auth.claimLink({ mailboxId, claim: random(32) }),
      () => ada.api.links.meet({ mailboxId, parcel: random(120) }),
      () => ada.api.links.approve(input),
    ];
    for (const call of late) expect(await refusal(call())).toEqual({ code: 'not_found' });
    expect(await db.prisma.device.count({ where: { accountId: ada.accountId } })).toBe(1);
    const fresh = random(16);
    await nobody().links.open({ mailboxId: fresh });
    expect(await expiredLinks.run(world.deps, 100)).toBe(1);
    expect(await nobody().links.read({ mailboxId: fresh })).toMatchObject({ meeting: null });
  });

  it('a claim two minutes after the approval, after a removal, and of a suspended account', async () => {
    const first = approval(ada, (await asked(ada)).mailboxId);
    await ada.api.links.approve(first.input);
    const target = { deviceId: uuidToBytes(first.deviceId), reason: 'removed' } as const;
    const { deviceId, signing } = ada.device;
    const state = extendAccountLog(ada.state, [first.entry]);
    const signer = { kind: 'device', deviceId, secretKey: signing.secretKey } as const;
    const { mailboxId } = first.input;
    await ada.api.devices.append({ entry: toBase64Url(createRevokeDevice(state, target, signer)) });
    expect(await refusal(nobody().auth.claimLink({ mailboxId, claim: first.claim }))).toEqual({
      code: 'not_found',
    });

    const second = approval(bob, (await asked(bob)).mailboxId);
    await bob.api.links.approve(second.input);
    await db.prisma.account.update({ where: { id: bob.accountId }, data: { suspendedAt: new Date() } });
    const claim = { mailboxId: second.input.mailboxId, claim: second.claim };
    expect(await refusal(nobody().auth.claimLink(claim))).toMatchObject({ code: 'forbidden' });
    await db.prisma.account.update({ where: { id: bob.accountId }, data: { suspendedAt: null } });
    world.clock.advance(limits.linkMs);
    expect(await refusal(nobody().auth.claimLink(claim))).toEqual({ code: 'not_found' });
  });

  it('a claim that either side called off', async () => {
    const made = approval(ada, (await asked(ada)).mailboxId);
    await ada.api.links.approve(made.input);
    const { mailboxId } = made.input;
    await ada.api.links.close({ mailboxId });
    expect(await refusal(nobody().auth.claimLink({ mailboxId, claim: made.claim }))).toEqual({
      code: 'not_found',
    });
  });

  it('more codes on show than the instance bears', async () => {
    const rows = Array.from({ length: limits.linksOpen }, () => ({
      id: Uint8Array.from(newId()),
      createdAt: new Date(world.clock.now()),
      expiresAt: new Date(world.clock.now() + 1000),
    }));
    await db.prisma.linkMailbox.createMany({ data: rows });
    const mailboxId = random(16);
    expect(await refusal(nobody().links.open({ mailboxId }))).toMatchObject({ code: 'limit_reached' });
    world.clock.advance(1000);
    await nobody().links.open({ mailboxId });
  });
});

describe('devices.rename', () => {
  const labels = async (): Promise<(string | undefined)[]> => {
    const [own] = await ada.api.devices.logs({ accounts: [{ accountId: ada.accountId, fromSeq: 0 }] });
    return own?.devices.map((device) => device.label) ?? [];
  };

  it('names a device of one’s own, and no other', async () => {
    await ada.api.devices.rename({ deviceId: ada.deviceId, label: '  Desk  ' });
    expect(await labels()).toEqual(['Desk']);
    const { deviceId } = ada;
    expect(await refusal(bob.api.devices.rename({ deviceId, label: 'Mine' }))).toEqual({ code: 'not_found' });
    expect(await labels()).toEqual(['Desk']);
  });

  it('names no device that is removed', async () => {
    const { deviceId, entry } = makeSecondDevice(ada);
    await ada.api.devices.append({ entry: toBase64Url(entry) });
    const state = extendAccountLog(ada.state, [entry]);
    const target = { deviceId: uuidToBytes(deviceId), reason: 'lost' } as const;
    const revoke = createRevokeDevice(state, target, { kind: 'root', secretKey: ada.root.secretKey });
    await ada.api.devices.append({ entry: toBase64Url(revoke) });
    expect(await refusal(ada.api.devices.rename({ deviceId, label: 'Gone' }))).toEqual({ code: 'not_found' });
  });
});
