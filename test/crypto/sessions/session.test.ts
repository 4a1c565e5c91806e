// Pairwise sessions as the engine uses them: both directions, sizes, who the sender is, revoked devices, own devices.
import { describe, expect, it } from 'vitest';
import { createRevokeDevice, type AccountLogState } from '#crypto/account-log.ts';
import { utf8 } from '#crypto/bytes.ts';
import { decodePairwise, encodePairwise } from '#crypto/pairwise.ts';
import {
  decryptPairwise,
  encryptPairwise,
  packetKind,
  sessionSetKey,
  startSession,
} from '#crypto/session.ts';
import { expectCode } from '../support/expect-code.ts';
import { claim, makeEnd, open, peek, receive, send, type End } from '../support/pairs.ts';
import { addDevice, makeAccount, NOW, withEntry } from '../support/people.ts';

function pair(): { ada: End; bob: End } {
  return { ada: makeEnd('ada'), bob: makeEnd('bob') };
}

/** The account's log after its root revoked the end's device. */
function revoked(end: End): AccountLogState {
  const target = { deviceId: end.device.secrets.deviceId, reason: 'lost' } as const;
  const signer = { kind: 'root', secretKey: end.account.root.secretKey } as const;
  return withEntry(end.account, createRevokeDevice(end.account.log, target, signer)).log;
}

describe('pairwise sessions', () => {
  it('carries messages both ways, and the opening only until the first reply', () => {
    const { ada, bob } = pair();
    const first = send(ada, bob, 'one');
    expect(packetKind(first)).toBe('prekey');
    expect(first.length).toBeLessThan(1400);
    expect(receive(bob, ada, first)).toBe('one');
    const reply = send(bob, ada, 'two');
    expect(packetKind(reply)).toBe('ratchet');
    expect(receive(ada, bob, reply)).toBe('two');
    for (let i = 0; i < 5; i++) {
      const packet = send(ada, bob, `a${i}`);
      expect(packet.length).toBe(57 + 34 + 2 + 16);
      expect(receive(bob, ada, packet)).toBe(`a${i}`);
      expect(receive(ada, bob, send(bob, ada, `b${i}`))).toBe(`b${i}`);
    }
  });

  it('hands the payload out with a proof that decodePairwise accepts, and only so', () => {
    const { ada, bob } = pair();
    open(ada, bob);
    const key = {
      kind: 'dm-key' as const,
      eventId: new Uint8Array(16).fill(1),
      contentKey: new Uint8Array(32).fill(2),
      bodyHash: new Uint8Array(32).fill(3),
      commit: new Uint8Array(32).fill(4),
    };
    const logs = { ownLog: ada.self.log, peerLog: bob.self.log };
    const sent = encryptPairwise(
      ada.set!,
      { ...logs, payload: encodePairwise(key) },
      { now: NOW, rng: ada.rng },
    );
    const { packet } = peek(bob, ada, sent.packet);
    expect(decodePairwise(packet)).toEqual(key);
    expect(packet.peer.deviceId).toEqual(ada.device.secrets.deviceId);
    expectCode('not_allowed', () => decodePairwise({ ...packet }));
  });

  it('keys the record by account identity and device', () => {
    const { ada, bob } = pair();
    const keyOf = (end: End): string => sessionSetKey(end.account.log.aid, end.device.secrets.deviceId);
    expect(keyOf(ada)).not.toBe(keyOf(bob));
    send(ada, bob, 'x');
    const carol = makeEnd('carol');
    const logs = { ownLog: ada.self.log, peerLog: carol.self.log };
    const clock = { now: NOW, rng: ada.rng };
    expectCode('mismatch', () => encryptPairwise(ada.set!, { ...logs, payload: utf8('x') }, clock));
    const fromCarol = send(carol, ada, 'x');
    expectCode('mismatch', () => peek(ada, carol, fromCarol));
    expect(receive({ ...ada, set: null }, carol, fromCarol)).toBe('x');
    const options = { self: ada.self, peerLog: carol.self.log, bundle: claim(carol) };
    expectCode('mismatch', () => startSession(ada.set, options, clock));
  });

  it('encrypts nothing to a device its log revoked, and opens no session to it', () => {
    const { ada, bob } = pair();
    send(ada, bob, 'x');
    const peerLog = revoked(bob);
    const clock = { now: NOW, rng: ada.rng };
    const payload = utf8('x');
    expectCode('revoked', () => encryptPairwise(ada.set!, { ownLog: ada.self.log, peerLog, payload }, clock));
    expectCode('revoked', () => startSession(null, { self: ada.self, peerLog, bundle: claim(bob) }, clock));
  });

  it('refuses what a revoked device sends, but for packets the caller had before it knew', () => {
    const { ada, bob } = pair();
    const opening = send(ada, bob, 'opening');
    const second = send(ada, bob, 'sent before the revocation');
    const input = {
      self: bob.self,
      peerLog: revoked(ada),
      peerDeviceId: ada.device.secrets.deviceId,
      prekeys: bob.prekeys,
      now: NOW,
    };
    expectCode('revoked', () => decryptPairwise(null, { ...input, packet: opening }));
    expectCode('revoked', () => decryptPairwise(bob.set, { ...input, packet: second }));
    const first = decryptPairwise(null, { ...input, packet: opening, acceptRevoked: true });
    expect(first.packet.payload).toEqual(utf8('opening'));
    const late = decryptPairwise(first.record, { ...input, packet: second, acceptRevoked: true });
    expect(late.packet.payload).toEqual(utf8('sent before the revocation'));
    const peerDeviceId = makeEnd('carol').device.secrets.deviceId;
    const ofStranger = { ...input, peerDeviceId, packet: second, acceptRevoked: true };
    expectCode('mismatch', () => decryptPairwise(first.record, ofStranger));
    expectCode('unknown_device', () =>
      decryptPairwise({ ...first.record, deviceId: peerDeviceId }, ofStranger),
    );
  });

  it('takes sessions between two devices of one account, with the wider jump', () => {
    const account = makeAccount('ada', 2);
    const phone = makeEnd('ada', { account, device: 0 });
    const desk = makeEnd('ada', { account, device: 1 });
    receive(desk, phone, send(phone, desk, 'x'));
    for (let i = 0; i < 1500; i++) send(phone, desk, 'lost');
    expect(receive(desk, phone, send(phone, desk, 'y'))).toBe('y');
    const { ada, bob } = pair();
    receive(bob, ada, send(ada, bob, 'x'));
    for (let i = 0; i < 1001; i++) send(ada, bob, 'lost');
    expectCode('limit', () => peek(bob, ada, send(ada, bob, 'y')));
  });

  it('asks for the newer log when the opening names a head this device has not seen, then opens', () => {
    const { ada, bob } = pair();
    const grown = addDevice(ada.account).account;
    const later: End = { ...ada, account: grown, self: { ...ada.self, log: grown.log } };
    const packet = send(later, bob, 'x');
    expectCode('truncated', () => peek(bob, ada, packet));
    expect(receive(bob, later, packet)).toBe('x');
  });

  it('refuses a ratchet packet of a session it does not have', () => {
    const { ada, bob } = pair();
    receive(bob, ada, send(ada, bob, 'x'));
    const reply = send(bob, ada, 'y');
    expectCode('unknown_session', () => peek({ ...ada, set: null }, bob, reply));
  });
});
