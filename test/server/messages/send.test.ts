// The write path: one statement judges, stores, orders and acknowledges; refusals are typed and store nothing.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId, CommunityId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { refusal, type TestDeps } from '#test/support/deps.ts';
import { freshPeople } from '#test/support/fresh.ts';
import { Pen, opaquePacket, sealDm, type Sealed } from '#test/support/messages.ts';
import { makeHome, registerPerson, type Person } from '#test/support/people.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

describe('messages.send', () => {
  let db: TestDatabase;
  let test: TestDeps;
  let ada: Person;
  let ben: Person;
  let communityId: CommunityId;
  let channelId: ChannelId;
  let pen: Pen;

  const fresh = freshPeople({ ada: {}, ben: { units: 1 } });
  beforeEach(async () => {
    ({ db, world: test, ada, ben } = await fresh());
    ({ communityId, channelId } = await makeHome(ada, ben));
    test.events.clear();
    pen = new Pen(ada, channelId);
  });

  const rows = () => db.prisma.channelEvent.findMany({ where: { channelId }, orderBy: { seq: 'asc' } });
  const count = () => db.prisma.channelEvent.count();

  it('stores, numbers without gaps, acknowledges and tells the readers', async () => {
    const first = pen.text();
    const ack = await ada.api.messages.send(first);
    expect(ack).toMatchObject({ eventId: first.eventId, seq: 1, ordinal: 1 });
    await ada.api.messages.send(pen.react(first.eventId));
    const third = await ada.api.messages.send(pen.text('again'));
    expect(third).toMatchObject({ seq: 3, ordinal: 2 });
    expect((await rows()).map((r) => [r.seq, r.class, r.ordinal])).toEqual([
      [1, 'message', 1],
      [2, 'reaction', null],
      [3, 'message', 2],
    ]);
    const told = test.events.of('event.appended');
    expect(told).toHaveLength(3);
    expect(told[0]).toMatchObject({
      audience: { to: 'channel', channelId, communityId },
      event: {
        event: { eventId: first.eventId, seq: 1, envelope: first.envelope },
        chainCert: first.chainCert,
      },
    });
  });

  it('a repeat gets the stored answer and changes nothing', async () => {
    const message = pen.text();
    const ack = await ada.api.messages.send(message);
    test.clock.advance(5000);
    expect(await ada.api.messages.send(message)).toEqual(ack);
    expect(await count()).toBe(1);
  });

  /** The same bytes with one bit of the payload turned; the header stays. */
  const sealAgain = (message: Sealed): Sealed => {
    const bytes = Buffer.from(message.envelope, 'base64url');
    bytes[bytes.length - 1]! ^= 1;
    return { eventId: message.eventId, envelope: bytes.toString('base64url'), packets: [] };
  };

  it('another payload under a stored id conflicts', async () => {
    const message = pen.text();
    await ada.api.messages.send(message);
    expect(await refusal(ada.api.messages.send(sealAgain(message)))).toEqual({
      code: 'conflict',
      what: 'eventId',
    });
    expect(await count()).toBe(1);
  });

  it('two hundred concurrent sends of several people stay gapless and lose nothing', async () => {
    const pens = [pen, new Pen(ben, channelId)];
    const authors = [ada, ben];
    const sends = Array.from({ length: 200 }, (_, i) =>
      authors[i % 2]!.api.messages.send(pens[i % 2]!.text(`${i}`)),
    );
    const acks = await Promise.all(sends);
    const seqs = acks.map((a) => a.seq).sort((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    const head = await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } });
    expect([head.lastSeq, head.lastOrdinal]).toEqual([200, 200]);
    const released = test.events.of('event.appended').map((e) => e.event.event.seq);
    expect([...released].sort((a, b) => a - b)).toEqual(seqs);
  });

  it('a stale epoch is refused with the present one', async () => {
    await db.prisma.channel.update({ where: { id: channelId }, data: { epoch: 4 } });
    expect(await refusal(ada.api.messages.send(pen.text()))).toEqual({ code: 'stale_epoch', epoch: 4 });
    pen.rotate(4);
    expect(await ada.api.messages.send(pen.text())).toMatchObject({ seq: 1 });
  });

  it('strangers, the kicked and the uncertified read not_found', async () => {
    const eve = await registerPerson(test.deps);
    expect(await refusal(eve.api.messages.send(new Pen(eve, channelId).text()))).toEqual({
      code: 'not_found',
    });
    const benPen = new Pen(ben, channelId);
    await ben.api.messages.send(benPen.text());
    await ada.api.communities.kick({ communityId, accountId: ben.accountId });
    expect(await refusal(ben.api.messages.send(benPen.text()))).toEqual({ code: 'not_found' });
    expect(await count()).toBe(1);
  });

  it('only the author edits; authors and moderators delete; others do not', async () => {
    const benPen = new Pen(ben, channelId);
    const message = benPen.text('mine');
    await ben.api.messages.send(message);
    const reason = (r: string) => ({ code: 'forbidden', reason: r });
    expect(await refusal(ada.api.messages.send(pen.edit(message.eventId)))).toEqual(reason('not_author'));
    const adas = pen.text('hers');
    await ada.api.messages.send(adas);
    expect(await refusal(ben.api.messages.send(benPen.redact(adas.eventId)))).toMatchObject({
      code: 'forbidden',
    });
    await ben.api.messages.send(benPen.edit(message.eventId));
    await ada.api.messages.send(pen.redact(message.eventId));
    expect(await refusal(ben.api.messages.send(benPen.edit(message.eventId)))).toEqual({ code: 'not_found' });
  });

  it('a deletion nulls payload and commitment of the message and its edits and keeps a stub', async () => {
    const message = pen.text();
    await ada.api.messages.send(message);
    await ada.api.messages.send(pen.edit(message.eventId));
    await ada.api.messages.send(pen.redact(message.eventId));
    const [original, edit, redact] = await rows();
    expect([original!.envelope, original!.commitment, edit!.envelope]).toEqual([null, null, null]);
    expect(original!.linkHash).not.toBeNull();
    expect(redact!.envelope).not.toBeNull();
    const page = await ada.api.messages.page({ channelId, limit: 50 });
    expect(page.messages[0]).toMatchObject({ envelope: null, frankTag: null, stub: { iter: 0 } });
  });

  it('edits racing a deletion never leave a payload behind', async () => {
    const message = pen.text();
    await ada.api.messages.send(message);
    const edits = Array.from({ length: 10 }, (_, i) => pen.edit(message.eventId, `edit ${i}`, i + 1));
    const sends = [...edits.slice(0, 5), pen.redact(message.eventId), ...edits.slice(5)];
    await Promise.allSettled(sends.map((sealed) => ada.api.messages.send(sealed)));
    const left = await db.prisma.channelEvent.count({
      where: { channelId, class: { in: ['message', 'edit'] }, envelope: { not: null } },
    });
    expect(left).toBe(0);
  });

  it('slow mode holds everybody but moderators, also within one batch', async () => {
    await ada.api.channels.update({ channelId, slowModeMs: 60_000 });
    const benPen = new Pen(ben, channelId);
    const both = await Promise.allSettled(
      [benPen.text('a'), benPen.text('b')].map((m) => ben.api.messages.send(m)),
    );
    expect(both.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected']);
    const held = await refusal(ben.api.messages.send(benPen.text('c')));
    expect(held).toMatchObject({ code: 'slow_mode' });
    test.clock.advance(60_001);
    await ben.api.messages.send(benPen.text('d'));
    await ada.api.messages.send(pen.text('staff'));
    await ada.api.messages.send(pen.text('staff again'));
  });

  it('own sends move the own cursor; a direct mention bumps only readers', async () => {
    const eve = await registerPerson(test.deps);
    const notify = { accountIds: [ben.accountId, eve.accountId, ada.accountId] };
    await ada.api.messages.send({ ...pen.text(), notify });
    await ada.api.messages.send({ ...pen.text(), notify });
    const cursors = await db.prisma.channelCursor.findMany({ where: { channelId } });
    const byAccount = Object.fromEntries(cursors.map((c) => [c.accountId, [c.readSeq, c.mentions]]));
    expect(byAccount).toEqual({ [ada.accountId]: [2, 0], [ben.accountId]: [0, 2] });
    await ben.api.cursors.move({ channelId, seq: 2 });
    const [moved] = await db.prisma.channelCursor.findMany({
      where: { channelId, accountId: ben.accountId },
    });
    expect(moved).toMatchObject({ readSeq: 2, readOrdinal: 2, mentions: 0 });
  });

  it('a chain certificate of somebody else or another chain is refused', async () => {
    const benFirst = new Pen(ben, channelId).text();
    const message = pen.text();
    const chainCert = benFirst.chainCert!;
    expect(await refusal(ada.api.messages.send({ ...message, chainCert }))).toEqual({
      code: 'bad_proof',
      what: 'chainCert',
    });
    expect(await db.prisma.chainCert.count()).toBe(0);
  });

  it('packets and event are stored together and reach the device', async () => {
    const bytes = opaquePacket();
    const packets = [{ accountId: ben.accountId, deviceId: ben.deviceId, bytes }];
    await ada.api.messages.send({ ...pen.text(), packets });
    const [stored] = await ben.api.mailbox.pull({ after: 0 });
    expect(stored).toMatchObject({ senderAccountId: ada.accountId, senderDeviceId: ada.deviceId, bytes });
    const [told] = test.events.of('mailbox.received');
    expect(told?.audience).toEqual({ to: 'device', deviceId: ben.deviceId });
    await db.prisma.channel.update({ where: { id: channelId }, data: { epoch: 9 } });
    await refusal(ada.api.messages.send({ ...pen.text(), packets }));
    expect(await db.prisma.mailboxPacket.count()).toBe(1);
  });

  it('a direct message must name every device of both people', async () => {
    const dm = await ada.api.dms.open({ accountId: ben.accountId });
    const id = dm.channel.channelId;
    const target = { accountId: ben.accountId, deviceId: ben.deviceId };
    const sealed = sealDm(ada, id);
    expect(await refusal(ada.api.messages.send({ ...sealed, packets: [], dmDevices: [] }))).toEqual({
      code: 'stale_devices',
      missing: [target],
      gone: [],
    });
    const packets = [{ ...target, bytes: opaquePacket() }];
    const ack = await ada.api.messages.send({ ...sealed, packets, dmDevices: [target] });
    expect(ack.seq).toBe(1);
    const gone = { accountId: ben.accountId, deviceId: ada.deviceId };
    const again = sealDm(ada, id);
    const refused = await refusal(ada.api.messages.send({ ...again, packets, dmDevices: [target, gone] }));
    expect(refused).toMatchObject({ code: 'stale_devices', missing: [], gone: [gone] });
  });

  it('a device that never published prekeys does not silence a direct conversation', async () => {
    const eve = await registerPerson(test.deps);
    const { code } = await ada.api.invites.create({ communityId });
    await eve.api.invites.accept({ code });
    const dm = await ada.api.dms.open({ accountId: eve.accountId });
    const sealed = sealDm(ada, dm.channel.channelId);
    const early = ada.api.messages.send({ ...sealed, packets: [], dmDevices: [] });
    expect(await refusal(early)).toMatchObject({
      code: 'stale_devices',
      missing: [{ deviceId: eve.deviceId }],
    });
    test.clock.advance(limits.newDeviceMs + 60_000);
    const ack = await ada.api.messages.send({ ...sealed, packets: [], dmDevices: [] });
    expect(ack.seq).toBe(1);
  });

  it('nor does one whose prekeys ran out; whoever still has a session with it may go on writing to it', async () => {
    const dm = await ada.api.dms.open({ accountId: ben.accountId });
    const id = dm.channel.channelId;
    const target = { accountId: ben.accountId, deviceId: ben.deviceId };
    const notAfter = new Date(test.clock.now() - 1);
    await db.prisma.prekeySet.updateMany({ where: { deviceId: ben.deviceId }, data: { notAfter } });
    test.clock.advance(limits.newDeviceMs + 60_000);
    const without = await ada.api.messages.send({ ...sealDm(ada, id), packets: [], dmDevices: [] });
    const packets = [{ ...target, bytes: opaquePacket() }];
    const withIt = await ada.api.messages.send({ ...sealDm(ada, id), packets, dmDevices: [target] });
    expect(withIt.seq).toBe(without.seq + 1);
  });

  it('group bodies are refused in direct conversations and the reverse', async () => {
    const dm = await ada.api.dms.open({ accountId: ben.accountId });
    const id = dm.channel.channelId;
    expect(await refusal(ada.api.messages.send(new Pen(ada, id).text()))).toMatchObject({
      code: 'bad_proof',
    });
    const sealed = sealDm(ada, channelId);
    expect(await refusal(ada.api.messages.send({ ...sealed, packets: [] }))).toMatchObject({
      code: 'bad_proof',
    });
  });
});
