// Attacks on the handshake: swapped, relabelled, mistyped and re-published keys, wrong recipients, forged openings.
import { describe, expect, it } from 'vitest';
import { createAddDevice, type AccountLogState } from '#crypto/account-log.ts';
import { concat, equalBytes, fromHex } from '#crypto/bytes.ts';
import { KEY_MLKEM768, KEY_X25519, Writer, writeKey } from '#crypto/codec.ts';
import { SIGN_LABELS, SIGNATURE_BYTES, SUITE, WIRE_VERSION } from '#crypto/constants.ts';
import { certifyDevice } from '#crypto/device.ts';
import { CryptoError } from '#crypto/errors.ts';
import { randomId } from '#crypto/ids.ts';
import { decodePrekeyMessage } from '#crypto/pqxdh.ts';
import { signOneTimeUnit, signPrekeySet, verifyClaimedPrekeys } from '#crypto/prekeys.ts';
import { kemKeyPair, sign, x25519KeyPair } from '#crypto/primitives.ts';
import { decryptPairwise, startSession } from '#crypto/session.ts';
import { expectCode } from '../support/expect-code.ts';
import { claim, makeEnd, open, peek, receive, send, stateBytes, type End } from '../support/pairs.ts';
import { makeAccount, NOW, withEntry } from '../support/people.ts';

function pair(units = 4): { ada: End; bob: End } {
  return { ada: makeEnd('ada'), bob: makeEnd('bob', { units }) };
}

/** The packet refused, and nothing of the receiver changed. */
function expectUntouched(end: End, attempt: () => unknown): void {
  const before = stateBytes(end);
  expect(attempt).toThrow();
  expect(stateBytes(end).equals(before)).toBe(true);
}

/** Offsets inside the PREKEY header, see docs/protocol.md. */
const OFFSET = { suite: 1, mask: 2, sid: 3, aid: 11, device: 43, headA: 59, headB: 92 };

describe('handshake, adversarial', () => {
  it('A20 a prekey set signed under the label of another structure is refused', () => {
    const { bob } = pair();
    const { set } = bob.claims[0]!;
    const fields = set.subarray(0, set.length - SIGNATURE_BYTES);
    const check = { device: bob.device.cert, serverTime: NOW, knownSetId: 0 };
    const others = Object.values(SIGN_LABELS).filter((label) => label !== SIGN_LABELS.prekeySet);
    for (const label of [...others, '', 'prekey-set\0']) {
      const signature = sign(bob.device.secrets.signing.secretKey, label, fields);
      const forged = concat(fields, signature);
      expectCode('bad_signature', () => verifyClaimedPrekeys({ set: forged, unit: null }, check));
    }
    expect(verifyClaimedPrekeys({ set, unit: null }, check).setId).toBe(1);
  });

  it('A20 a signature of a one-time unit does not pass for a set, nor the reverse', () => {
    const { bob } = pair();
    const { set, unit } = bob.claims[0]!;
    const check = { device: bob.device.cert, serverTime: NOW, knownSetId: 0 };
    const unitSignature = unit!.subarray(-SIGNATURE_BYTES);
    const setSignature = set.subarray(-SIGNATURE_BYTES);
    const badSet = concat(set.subarray(0, -SIGNATURE_BYTES), unitSignature);
    const badUnit = concat(unit!.subarray(0, -SIGNATURE_BYTES), setSignature);
    expectCode('bad_signature', () => verifyClaimedPrekeys({ set: badSet, unit: null }, check));
    expectCode('bad_signature', () => verifyClaimedPrekeys({ set, unit: badUnit }, check));
  });

  it('A21 a KEM key offered as X25519, or the reverse, is refused though its signature is good', () => {
    const { bob } = pair();
    const { secrets, cert } = bob.device;
    const check = { device: cert, serverTime: NOW, knownSetId: 0 };
    const dh = x25519KeyPair(bob.rng).publicKey;
    const kem = kemKeyPair(bob.rng).publicKey;
    const signedSet = (first: (w: Writer) => void): Uint8Array => {
      const w = new Writer().u8(WIRE_VERSION).u8(SUITE).fixed(secrets.deviceId, 16).u32(9);
      first(w);
      w.varint(NOW).varint(NOW + 1000);
      return w.fixed(sign(secrets.signing.secretKey, SIGN_LABELS.prekeySet, w.done()), 64).done();
    };
    const swapped = signedSet((w) => {
      writeKey(w, KEY_MLKEM768, kem);
      writeKey(w, KEY_X25519, dh);
    });
    const relabelled = signedSet((w) => {
      w.u8(KEY_MLKEM768).fixed(dh, 32).u8(KEY_X25519).fixed(kem, 1184);
    });
    const right = signedSet((w) => {
      writeKey(w, KEY_X25519, dh);
      writeKey(w, KEY_MLKEM768, kem);
    });
    for (const set of [swapped, relabelled]) {
      expectCode('malformed', () => verifyClaimedPrekeys({ set, unit: null }, check));
    }
    expect(verifyClaimedPrekeys({ set: right, unit: null }, check).setId).toBe(9);
  });

  it('A21 the ephemeral and the ratchet key of a packet must carry the X25519 tag', () => {
    const { ada, bob } = pair();
    const packet = send(ada, bob, 'x');
    const { header } = decodePrekeyMessage(packet);
    const ephemeralTag = header.encoded.length - 1088 - 2 - 33;
    const ratchetTag = header.encoded.length + 10;
    for (const at of [ephemeralTag, ratchetTag]) {
      expect(packet[at]).toBe(KEY_X25519);
      for (const tag of [0, 1, 3, 4]) {
        const forged = packet.with(at, tag);
        expectCode('malformed', () => peek(bob, ada, forged));
      }
    }
  });

  it('A22 a KEM key swapped between set and message fails at the responder', () => {
    const { ada, bob } = pair();
    const bundle = claim(bob);
    for (const kemPub of [claim(bob).kemPub, kemKeyPair(ada.rng).publicKey]) {
      const options = { self: ada.self, peerLog: bob.account.log, bundle: { ...bundle, kemPub } };
      ada.set = startSession(null, options, { now: NOW, rng: ada.rng });
      const packet = send(ada, bob, 'x');
      expectUntouched(bob, () => peek(bob, ada, packet));
      expectCode('mismatch', () => peek(bob, ada, packet));
    }
  });

  it('A22 a re-encapsulated ciphertext of the same set fails', () => {
    const { ada, bob } = pair();
    const first = send(ada, bob, 'x');
    const carol = makeEnd('carol');
    const other = decodePrekeyMessage(send(carol, bob, 'y')).header.ciphertext;
    const at = decodePrekeyMessage(first).header.encoded.length - 1088;
    const forged = first.slice();
    forged.set(other, at);
    expectUntouched(bob, () => peek(bob, ada, forged));
  });

  it('A23 keys re-published by Mallory as hers: what Ada sends Mallory does not open at Bob', () => {
    const { ada, bob } = pair();
    const mallory = makeAccount('mallory', 0);
    const deviceId = randomId(mallory.rng);
    const fake = { aid: mallory.log.aid, deviceId, kind: 'full' as const, createdAt: NOW };
    const own = makeEnd('mallory-keys').device.secrets;
    const secrets = { deviceId, signing: own.signing, dh: bob.device.secrets.dh };
    const cert = certifyDevice(fake, secrets);
    const signer = { kind: 'root', secretKey: mallory.root.secretKey } as const;
    const log = withEntry(mallory, createAddDevice(mallory.log, cert, signer)).log;
    const stolen = claim(bob);
    const set = signPrekeySet(secrets, {
      setId: stolen.setId,
      signedPrekey: stolen.signedPrekey,
      lastResortKem: stolen.kemPub,
      createdAt: NOW,
      notAfter: NOW + 1000,
    });
    const unit = signOneTimeUnit(secrets, {
      setId: stolen.setId,
      id: stolen.oneTime!.id,
      dhPub: stolen.oneTime!.dhPub,
      kemPub: stolen.kemPub,
    });
    const bundle = verifyClaimedPrekeys({ set, unit }, { device: cert, serverTime: NOW, knownSetId: 0 });
    ada.set = startSession(null, { self: ada.self, peerLog: log, bundle }, { now: NOW, rng: ada.rng });
    const asMallory = { ...bob, account: { ...bob.account, log }, self: { ...bob.self, log } };
    const packet = send(ada, asMallory, 'for Mallory only');
    expectUntouched(bob, () => peek(bob, ada, packet));
    // Mallory and the server may also rewrite what the opening says about the responder's log
    const rewritten = packet.slice();
    rewritten[OFFSET.headB] = bob.self.log.headSeq;
    rewritten.set(bob.self.log.headHash, OFFSET.headB + 1);
    expectCode('mismatch', () => peek(bob, ada, rewritten));
  });

  it('A24 a message for one device of a person does not open at another', () => {
    const ada = makeEnd('ada');
    const account = makeAccount('bob', 2);
    const first = makeEnd('bob', { account, device: 0 });
    const second = makeEnd('bob', { account, device: 1 });
    const packet = send(ada, first, 'x');
    expectUntouched(second, () => peek(second, ada, packet));
    expect(receive(first, ada, packet)).toBe('x');
    const later = send(ada, first, 'y');
    expectUntouched(second, () => peek(second, ada, later));
  });

  it('A26 a forged first message uses up no unit, opens no session and leaves every record as it was', () => {
    const { ada, bob } = pair();
    const packet = send(ada, bob, 'x');
    const body = decodePrekeyMessage(packet).header.encoded.length;
    for (let at = body; at < packet.length; at += 7) {
      expectUntouched(bob, () => peek(bob, ada, packet.with(at, packet[at]! ^ 0x40)));
    }
    expect(bob.set).toBeNull();
    expect(receive(bob, ada, packet)).toBe('x');
  });

  it('A26 an opening made without the private keys of the named sender is refused', () => {
    const { ada, bob } = pair();
    const eve = makeEnd('eve');
    const forger = { ...eve.device.secrets, deviceId: ada.device.secrets.deviceId };
    const bundle = claim(bob);
    const options = { self: { secrets: forger, log: ada.account.log }, peerLog: bob.account.log, bundle };
    const impostor: End = { ...eve, self: { ...eve.self, log: ada.account.log } };
    impostor.set = startSession(null, options, { now: NOW, rng: eve.rng });
    const packet = send(impostor, bob, 'I am Ada');
    expectUntouched(bob, () => peek(bob, ada, packet));
    expectCode('bad_mac', () => peek(bob, ada, packet));
  });

  it('A28 with the one-time units drained the last-resort key is used, flagged, and still post-quantum', () => {
    const { ada, bob } = pair(1);
    claim(bob);
    const packet = send(ada, bob, 'x');
    expect(ada.set!.sessions[0]!.lastResort).toBe(true);
    expect(decodePrekeyMessage(packet).header.oneTimeId).toBeNull();
    const result = peek(bob, ada, packet);
    expect(result.record.sessions[0]!.lastResort).toBe(true);
    expect(result.consumed!.oneTimeId).toBeNull();
    const withoutKem = bob.prekeys.sets.map((s) => ({ ...s, lastResortSeed: new Uint8Array(64).fill(7) }));
    const input = { packet, self: bob.self, peerLog: ada.account.log, now: NOW };
    const peerDeviceId = ada.device.secrets.deviceId;
    const prekeys = { ...bob.prekeys, sets: withoutKem };
    expectCode('mismatch', () => decryptPairwise(null, { ...input, peerDeviceId, prekeys }));
  });

  it('A31 a lowered or unknown suite byte is refused in the packet and in the prekeys', () => {
    const { ada, bob } = pair();
    const packet = send(ada, bob, 'x');
    const { set, unit } = bob.claims[0]!;
    const check = { device: bob.device.cert, serverTime: NOW, knownSetId: 0 };
    for (const suite of [0, 2, 3, 255]) {
      const forged = packet.with(OFFSET.suite, suite);
      expectCode('unsupported', () => peek(bob, ada, forged));
      expectCode('unsupported', () => verifyClaimedPrekeys({ set: set.with(1, suite), unit: null }, check));
      expectCode('unsupported', () => verifyClaimedPrekeys({ set, unit: unit!.with(1, suite) }, check));
    }
    expect(receive(bob, ada, packet)).toBe('x');
  });

  it('A31 an unknown mask bit, or the unit flag taken away, is refused', () => {
    const { ada, bob } = pair();
    const packet = send(ada, bob, 'x');
    for (const mask of [2, 3, 0x80, 0x81]) {
      expectCode('unsupported', () => peek(bob, ada, packet.with(OFFSET.mask, mask)));
    }
    expectUntouched(bob, () => peek(bob, ada, packet.with(OFFSET.mask, 0)));
  });

  it('A40 every flipped bit of the PREKEY header fails, and a sample of those of its ciphertext', () => {
    for (const [units, every] of [
      [1, 1],
      [0, 11],
    ] as const) {
      const ada = makeEnd('ada');
      const bob = makeEnd('bob', { units });
      const packet = send(ada, bob, 'x');
      const before = stateBytes(bob);
      const fields = decodePrekeyMessage(packet).header.encoded.length - 1088;
      for (let bit = 0; bit < fields * 8; bit += every) {
        const forged = packet.with(bit >> 3, packet[bit >> 3]! ^ (1 << (bit & 7)));
        expect(() => peek(bob, ada, forged), `bit ${bit}`).toThrow(CryptoError);
      }
      for (let at = fields; at < fields + 1088; at += 64) {
        expect(() => peek(bob, ada, packet.with(at, packet[at]! ^ 1))).toThrow(CryptoError);
      }
      expect(stateBytes(bob).equals(before)).toBe(true);
      expect(receive(bob, ada, packet)).toBe('x');
    }
  });

  it('A34 identity fields of a packet that differ from the verified log are refused', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob');
    const carol = makeEnd('carol');
    const packet = send(ada, bob, 'x');
    const put = (bytes: Uint8Array, at: number): Uint8Array => {
      const copy = packet.slice();
      copy.set(bytes, at);
      return copy;
    };
    const aid = put(carol.account.log.aid, OFFSET.aid);
    const device = put(carol.device.secrets.deviceId, OFFSET.device);
    expectCode('mismatch', () => peek(bob, ada, aid));
    expectCode('mismatch', () => peek(bob, ada, device));
    expectCode('mismatch', () => peek(bob, carol, packet));
    expectCode('mismatch', () => peek(bob, carol, put(carol.account.log.aid, OFFSET.aid)));
    expectCode('mismatch', () => peek(bob, ada, packet.with(OFFSET.sid, packet[OFFSET.sid]! ^ 1)));
  });

  it('A34 the sender comes from the log: the certificate, account and device named there', () => {
    const { ada, bob } = pair();
    const { sender } = peek(bob, ada, send(ada, bob, 'x'));
    expect(sender.accountId).toEqual(ada.account.log.accountId);
    expect(sender.aid).toEqual(ada.account.log.aid);
    expect(equalBytes(sender.cert.encoded, ada.device.cert.encoded)).toBe(true);
  });

  it('A14 low-order, non-canonical and high-bit X25519 keys are refused as ephemeral and as ratchet key', () => {
    const { ada, bob } = pair();
    const packet = send(ada, bob, 'x');
    const headerLength = decodePrekeyMessage(packet).header.encoded.length;
    const bad = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      `ed${'ff'.repeat(30)}7f`,
      `ff${'ff'.repeat(30)}7f`,
      `09${'00'.repeat(30)}80`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    ];
    const ephemeral = headerLength - 1088 - 2 - 32;
    for (const key of bad) {
      for (const at of [ephemeral, headerLength + 11]) {
        const forged = packet.slice();
        forged.set(fromHex(key), at);
        expectUntouched(bob, () => peek(bob, ada, forged));
        if (at === ephemeral) expectCode('bad_key', () => peek(bob, ada, forged));
      }
    }
    receive(bob, ada, packet);
    const reply = send(bob, ada, 'y');
    for (const key of bad) {
      const forged = reply.slice();
      forged.set(fromHex(key), 11);
      expectCode('bad_key', () => peek(ada, bob, forged));
    }
  });

  it('A03 a log head that never was, or from before the device, is refused; a newer one asks for the log', () => {
    const { ada, bob } = pair();
    const packet = send(ada, bob, 'x');
    const seqAt = OFFSET.headA;
    expect(packet[seqAt]).toBe(1);
    expectCode('fork', () => peek(bob, ada, packet.with(seqAt + 1, packet[seqAt + 1]! ^ 1)));
    expectCode('truncated', () => peek(bob, ada, packet.with(seqAt, 2)));
    expectCode('truncated', () => peek(bob, ada, packet.with(OFFSET.headB, 9)));
    const genesis = packet.slice();
    genesis[seqAt] = 0;
    genesis.set(ada.account.log.hashes[0]!, seqAt + 1);
    expectCode('mismatch', () => peek(bob, ada, genesis));
    const early = packet.slice();
    early[OFFSET.headB] = 0;
    early.set(bob.account.log.hashes[0]!, OFFSET.headB + 1);
    expectCode('mismatch', () => peek(bob, ada, early));
  });

  it('A03 an initiator that truly hashes in a head from before a device was added is refused all the same', () => {
    const { ada, bob } = pair();
    const early = (end: End): AccountLogState => ({
      ...end.self.log,
      headSeq: 0,
      headHash: end.self.log.hashes[0]!,
    });
    const clock = { now: NOW, rng: ada.rng };
    const self = { ...ada.self, log: early(ada) };
    const openings = [
      { self: ada.self, peerLog: early(bob), bundle: claim(bob) },
      { self, peerLog: bob.self.log, bundle: claim(bob) },
    ];
    for (const options of openings) {
      ada.set = startSession(null, options, clock);
      const packet = send(ada, bob, 'x');
      expectCode('mismatch', () => peek(bob, ada, packet));
    }
    ada.set = startSession(null, { ...openings[0]!, peerLog: bob.self.log }, clock);
    expect(receive(bob, ada, send(ada, bob, 'x'))).toBe('x');
  });

  it('refuses to open a session with oneself, or to a device the log does not hold', () => {
    const { ada, bob } = pair();
    expectCode('mismatch', () => {
      open(ada, ada);
    });
    const { secrets, cert } = bob.device;
    const twin = certifyDevice({ ...cert, createdAt: cert.createdAt + 1 }, secrets);
    const relabelled = { ...claim(bob), device: twin };
    const options = { self: ada.self, peerLog: bob.account.log, bundle: relabelled };
    expectCode('mismatch', () => startSession(null, options, { now: NOW, rng: ada.rng }));
    const stranger = { ...bob, account: makeAccount('stranger') };
    expectCode('unknown_device', () => {
      open(ada, stranger);
    });
  });
});
