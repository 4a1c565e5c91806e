// The account log reducer: what it accepts and what it says (protocol 3.2).
import { describe, expect, it } from 'vitest';
import {
  acceptsHead,
  accountIdentity,
  compareHead,
  createAddDevice,
  createRevokeDevice,
  extendAccountLog,
  findDevice,
  headAt,
  liveDevices,
  logHead,
  openAccountLog,
  requireLiveDevice,
  wasLiveAt,
} from '#crypto/account-log.ts';
import { utf8 } from '#crypto/bytes.ts';
import { Reader, Writer } from '#crypto/codec.ts';
import { readLogHead, sameHead, writeLogHead } from '#crypto/log-head.ts';
import { H } from '#crypto/primitives.ts';
import { expectCode } from '../support/expect-code.ts';
import { addDevice, makeAccount, makeDevice, withEntry } from '../support/people.ts';

const byDevice = (device: {
  readonly secrets: { readonly deviceId: Uint8Array; readonly signing: { readonly secretKey: Uint8Array } };
}) =>
  ({
    kind: 'device',
    deviceId: device.secrets.deviceId,
    secretKey: device.secrets.signing.secretKey,
  }) as const;

describe('account log', () => {
  it('says who the account is and which devices it has', () => {
    const ada = makeAccount('ada', 2);
    expect(ada.log.aid).toEqual(H(utf8('cl1/acct'), ada.log.accountId, ada.root.publicKey));
    expect(ada.log.aid).toEqual(accountIdentity(ada.log.accountId, ada.root.publicKey));
    expect(ada.log.headSeq).toBe(2);
    expect(ada.log.headHash).toEqual(H(ada.entries[2]!));
    expect(liveDevices(ada.log).map((d) => d.cert.encoded)).toEqual(ada.devices.map((d) => d.cert.encoded));
    expect(liveDevices(ada.log)[1]).toMatchObject({
      addedAtSeq: 2,
      addedBy: { kind: 'root' },
      revokedAtSeq: null,
    });
  });

  it('lets a live full device add and revoke devices, itself too', () => {
    let ada = makeAccount('ada', 1);
    const first = ada.devices[0]!;
    const second = makeDevice(ada);
    ada = withEntry(ada, createAddDevice(ada.log, second.cert, byDevice(first)));
    expect(findDevice(ada.log, second.cert.deviceId)?.addedBy).toEqual({
      kind: 'device',
      deviceId: first.cert.deviceId,
    });
    const goodbye = { deviceId: second.cert.deviceId, reason: 'logged_out' } as const;
    ada = withEntry(ada, createRevokeDevice(ada.log, goodbye, byDevice(second)));
    expect(findDevice(ada.log, second.cert.deviceId)).toMatchObject({
      revokedAtSeq: 3,
      revokeReason: 'logged_out',
    });
    expect(liveDevices(ada.log).map((d) => d.cert.deviceId)).toEqual([first.cert.deviceId]);
    expectCode('revoked', () => requireLiveDevice(ada.log, second.cert.deviceId));
    expectCode('unknown_device', () => requireLiveDevice(ada.log, new Uint8Array(16)));
  });

  it('knows who was live at which position', () => {
    let ada = makeAccount('ada', 2);
    const second = ada.devices[1]!.cert.deviceId;
    const signer = { kind: 'root', secretKey: ada.root.secretKey } as const;
    ada = withEntry(ada, createRevokeDevice(ada.log, { deviceId: second, reason: 'lost' }, signer));
    expect([0, 1, 2, 3, 9].map((seq) => wasLiveAt(ada.log, second, seq))).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(wasLiveAt(ada.log, new Uint8Array(16), 2)).toBe(false);
  });

  it('gives the same state whether read whole or in any runs, overlapping or not', () => {
    const ada = makeAccount('ada', 4);
    const whole = openAccountLog(ada.entries);
    for (let cut = 1; cut < ada.entries.length; cut++) {
      const start = openAccountLog(ada.entries.slice(0, cut));
      expect(extendAccountLog(start, ada.entries.slice(cut))).toEqual(whole);
      expect(extendAccountLog(start, ada.entries.slice(cut - 1))).toEqual(whole);
      expect(extendAccountLog(start, ada.entries)).toEqual(whole);
    }
    expect(extendAccountLog(whole, [])).toEqual(whole);
  });

  it('survives structured cloning, and never changes the state it was given', () => {
    const ada = makeAccount('ada', 2);
    const before = structuredClone(ada.log);
    expect(before).toEqual(ada.log);
    const next = addDevice(ada).account;
    extendAccountLog(before, next.entries);
    expectCode('malformed', () => extendAccountLog(before, [Uint8Array.of(1)]));
    expect(before).toEqual(ada.log);
  });

  it('checks gossiped heads', () => {
    const ada = makeAccount('ada', 3);
    const head = logHead(ada.log);
    expect(compareHead(ada.log, head)).toBe('same');
    expect(compareHead(ada.log, headAt(ada.log, 1)!)).toBe('older');
    expect(compareHead(ada.log, { seq: 4, hash: head.hash })).toBe('newer');
    expect(compareHead(ada.log, { seq: 1, hash: head.hash })).toBe('fork');
    expect(acceptsHead(ada.log, headAt(ada.log, 1)!)).toBe(true);
    expect(acceptsHead(ada.log, headAt(ada.log, 1)!, 2)).toBe(false); // before the device's own addDevice
    expect(headAt(ada.log, 4)).toBeNull();
    const w = new Writer();
    writeLogHead(w, head);
    const r = new Reader(w.done());
    expect(sameHead(readLogHead(r), head)).toBe(true);
    r.end();
  });
});
