// What a hostile server or device tries with account logs (protocol 5.3, identity and devices).
import { describe, expect, it } from 'vitest';
import {
  compareHead,
  createAddDevice,
  createGenesis,
  createRevokeDevice,
  extendAccountLog,
  identityResetPolicy,
  liveDevices,
  logHead,
  openAccountLog,
  requireLiveDevice,
  rootFingerprint,
  type AccountLogState,
  type LogSigner,
} from '#crypto/account-log.ts';
import { concat } from '#crypto/bytes.ts';
import { Writer } from '#crypto/codec.ts';
import {
  certifyDevice,
  deviceAddress,
  generateDevice,
  verifyDeviceCert,
  type DeviceKind,
} from '#crypto/device.ts';
import { ed25519KeyPair, sign } from '#crypto/primitives.ts';
import { BAD_ED25519 } from '../support/bad-keys.ts';
import { expectCode } from '../support/expect-code.ts';
import {
  addDevice,
  makeAccount,
  makeDevice,
  NOW,
  withEntry,
  type TestAccount,
  type TestDevice,
} from '../support/people.ts';

const rootOf = (account: TestAccount): LogSigner => ({ kind: 'root', secretKey: account.root.secretKey });
const deviceSigner = (device: TestDevice): LogSigner => ({
  kind: 'device',
  deviceId: device.secrets.deviceId,
  secretKey: device.secrets.signing.secretKey,
});

interface Forged {
  readonly op: number;
  readonly body: Uint8Array;
  readonly signerKind: number;
  readonly signerId: Uint8Array;
  readonly secretKey: Uint8Array;
  readonly v?: number;
}

/** An entry at the head with any content, correctly signed by any key: the honest constructors refuse to make it. */
function forge(state: AccountLogState, f: Forged): Uint8Array {
  const fields = new Writer()
    .u8(f.v ?? 1)
    .fixed(state.accountId, 16)
    .u32(state.headSeq + 1);
  fields.fixed(state.headHash, 32).u8(f.op).bytes(f.body, 512).u8(f.signerKind).fixed(f.signerId, 16);
  return concat(fields.done(), sign(f.secretKey, 'acct-log', fields.done()));
}

function forgeAdd(account: TestAccount, signer: TestDevice, added: TestDevice): Uint8Array {
  const { deviceId, signing } = signer.secrets;
  const by = { signerKind: 1, signerId: deviceId, secretKey: signing.secretKey };
  return forge(account.log, { op: 1, body: added.cert.encoded, ...by });
}

/** A device of this account with a chosen id. */
function deviceWithId(account: TestAccount, deviceId: Uint8Array): TestDevice {
  return generateDevice({ aid: account.log.aid, deviceId, kind: 'full', createdAt: NOW }, account.rng);
}

describe('A01 uncertified devices', () => {
  it('A01 encrypts to certified live devices only; a device the server adds gets nothing, the others go on', () => {
    let ada = makeAccount('ada', 3);
    const injected = makeDevice(ada);
    const gone = ada.devices[1]!;
    ada = withEntry(
      ada,
      createRevokeDevice(ada.log, { deviceId: gone.cert.deviceId, reason: 'removed' }, rootOf(ada)),
    );
    const targets = liveDevices(ada.log).map((device) => device.cert.deviceId);
    expect(targets).toEqual([ada.devices[0]!.cert.deviceId, ada.devices[2]!.cert.deviceId]);
    for (const { cert } of [injected, gone]) {
      expect(targets).not.toContainEqual(cert.deviceId);
      expect(() => requireLiveDevice(ada.log, cert.deviceId)).toThrow();
    }
  });

  it('A01 a device certified by a key outside the log is refused', () => {
    const ada = makeAccount('ada', 1);
    const stranger = makeDevice(ada);
    expectCode('unknown_device', () => extendAccountLog(ada.log, [forgeAdd(ada, stranger, stranger)]));
    const mallory = makeAccount('mallory', 1);
    const asRoot = { op: 1, body: stranger.cert.encoded, signerKind: 0, secretKey: mallory.root.secretKey };
    const badRoot = forge(ada.log, { ...asRoot, signerId: rootFingerprint(ada.root.publicKey) });
    expectCode('bad_signature', () => extendAccountLog(ada.log, [badRoot]));
    const otherRoot = forge(ada.log, { ...asRoot, signerId: rootFingerprint(mallory.root.publicKey) });
    expectCode('bad_signature', () => extendAccountLog(ada.log, [otherRoot]));
  });
});

describe('A02–A05 the server rewrites history', () => {
  it('A02 refuses a device certified by a revoked device', () => {
    let ada = makeAccount('ada', 2);
    const thief = ada.devices[1]!;
    ada = withEntry(
      ada,
      createRevokeDevice(ada.log, { deviceId: thief.cert.deviceId, reason: 'lost' }, rootOf(ada)),
    );
    expectCode('revoked', () => extendAccountLog(ada.log, [forgeAdd(ada, thief, makeDevice(ada))]));
    expectCode('revoked', () => createAddDevice(ada.log, makeDevice(ada).cert, deviceSigner(thief)));
    const again = createRevokeDevice.bind(
      null,
      ada.log,
      { deviceId: thief.cert.deviceId, reason: 'lost' },
      rootOf(ada),
    );
    expectCode('revoked', again);
  });

  it('A03 reports a truncated log and keeps the longer state', () => {
    const ada = makeAccount('ada', 3);
    for (let length = 1; length < ada.entries.length; length++) {
      expectCode('truncated', () => extendAccountLog(ada.log, ada.entries.slice(0, length)));
    }
    expect(compareHead(ada.log, logHead(openAccountLog(ada.entries.slice(0, 2))))).toBe('older');
    expect(ada.log.headSeq).toBe(3);
  });

  it('A04 reports a fork at a known position, at the next position, and from gossip', () => {
    const base = makeAccount('ada', 1);
    const forRest = addDevice(base).account;
    const forBob = addDevice({ ...base, rng: makeAccount('other randomness').rng }).account;
    expect(forRest.log.headHash).not.toEqual(forBob.log.headHash);
    expectCode('fork', () => extendAccountLog(forRest.log, forBob.entries));
    expectCode('fork', () => extendAccountLog(forRest.log, addDevice(forBob).account.entries.slice(3)));
    expect(compareHead(forRest.log, logHead(forBob.log))).toBe('fork');
    expect(compareHead(forBob.log, logHead(forRest.log))).toBe('fork');
  });

  it('A05 reports another genesis as an identity reset: an unverified contact is held, a verified one blocked', () => {
    const ada = makeAccount('ada', 1);
    const account = { accountId: ada.log.accountId, root: ed25519KeyPair(ada.rng), createdAt: NOW };
    const genesis = createGenesis(account, ada.rng);
    expectCode('identity_reset', () => extendAccountLog(ada.log, [genesis]));
    expect(openAccountLog([genesis]).aid).not.toEqual(ada.log.aid);
    expect(identityResetPolicy(false)).toBe('hold');
    expect(identityResetPolicy(true)).toBe('block');
    const sameRoot = createGenesis({ ...account, root: ada.root }, ada.rng);
    expectCode('identity_reset', () => extendAccountLog(ada.log, [sameRoot, ...ada.entries.slice(1)]));
  });

  it('A04 refuses another account’s entries, gaps, a second genesis and an empty start', () => {
    const ada = makeAccount('ada', 3);
    const bob = makeAccount('bob', 3);
    expectCode('mismatch', () => extendAccountLog(ada.log, bob.entries));
    expectCode('mismatch', () =>
      extendAccountLog(openAccountLog(ada.entries.slice(0, 2)), bob.entries.slice(2)),
    );
    expectCode('malformed', () => openAccountLog([]));
    expectCode('malformed', () => openAccountLog(ada.entries.slice(1)));
    expectCode('malformed', () => openAccountLog([ada.entries[0]!, ada.entries[2]!]));
    expectCode('malformed', () =>
      extendAccountLog(openAccountLog(ada.entries.slice(0, 1)), ada.entries.slice(2)),
    );
    const signer = {
      signerKind: 0,
      signerId: rootFingerprint(ada.root.publicKey),
      secretKey: ada.root.secretKey,
    };
    const genesisBody = new Writer()
      .u8(1)
      .fixed(bob.root.publicKey, 32)
      .varint(NOW)
      .fixed(new Uint8Array(16), 16)
      .done();
    const second = forge(ada.log, { op: 0, body: genesisBody, ...signer });
    expectCode('not_allowed', () => extendAccountLog(ada.log, [second]));
  });
});

describe('A05 forged beginnings', () => {
  const ada = makeAccount('ada', 1);
  const honest = {
    prevHash: new Uint8Array(32),
    signerKind: 0,
    signerId: rootFingerprint(ada.root.publicKey),
    secretKey: ada.root.secretKey,
  };

  function forgeGenesis(change: Partial<typeof honest>): Uint8Array {
    const g = { ...honest, ...change };
    const body = new Writer().u8(1).fixed(ada.root.publicKey, 32).varint(NOW).fixed(new Uint8Array(16), 16);
    const w = new Writer().u8(1).fixed(ada.log.accountId, 16).u32(0).fixed(g.prevHash, 32).u8(0);
    const fields = w.bytes(body.done(), 512).u8(g.signerKind).fixed(g.signerId, 16).done();
    return concat(fields, sign(g.secretKey, 'acct-log', fields));
  }

  it('A05 a genesis is signed by the root it names, as root, and has no predecessor', () => {
    expect(openAccountLog([forgeGenesis({})]).aid).toEqual(ada.log.aid);
    const stranger = ed25519KeyPair(ada.rng);
    expectCode('bad_signature', () => openAccountLog([forgeGenesis({ secretKey: stranger.secretKey })]));
    const otherId = { signerId: rootFingerprint(stranger.publicKey) };
    expectCode('bad_signature', () => openAccountLog([forgeGenesis(otherId)]));
    expectCode('not_allowed', () => openAccountLog([forgeGenesis({ signerKind: 1 })]));
    expectCode('malformed', () => openAccountLog([forgeGenesis({ prevHash: new Uint8Array(32).fill(1) })]));
    for (const at of [0, 20, 60, 100, ada.entries[0]!.length - 1]) {
      const bad = ada.entries[0]!.slice();
      bad[at]! ^= 1;
      expect(() => openAccountLog([bad]), `byte ${at}`).toThrow();
    }
  });

  it('A03 a run with an entry left out is refused even where all of it is known', () => {
    const bob = makeAccount('bob', 3);
    const [first, , third, fourth] = bob.entries;
    expectCode('malformed', () => extendAccountLog(bob.log, [first!, third!, fourth!]));
    expectCode('malformed', () => extendAccountLog(bob.log, [fourth!, fourth!]));
  });

  it.each(BAD_ED25519.filter(({ key }) => key.length === 32))('A13 refuses as root: $name', ({ key }) => {
    const account = { accountId: ada.log.accountId, createdAt: NOW };
    const root = { publicKey: key, secretKey: ada.root.secretKey };
    expectCode('bad_key', () => openAccountLog([createGenesis({ ...account, root }, ada.rng)]));
  });
});

describe('A06–A09 certificates', () => {
  it('A06 refuses a certificate over a signing key its maker does not hold', () => {
    const ada = makeAccount('ada', 1);
    const bob = makeAccount('bob', 1);
    const device = {
      aid: ada.log.aid,
      deviceId: makeDevice(ada).cert.deviceId,
      kind: 'full',
      createdAt: NOW,
    } as const;
    const stolen = {
      publicKey: bob.devices[0]!.cert.signingPub,
      secretKey: ada.devices[0]!.secrets.signing.secretKey,
    };
    const secrets = { deviceId: device.deviceId, signing: stolen, dh: ada.devices[0]!.secrets.dh };
    expectCode('bad_signature', () => certifyDevice(device, secrets));
    // Bob's own valid certificate, copied into Ada's log: proof of possession is bound to Bob's account.
    const [root, cert] = [rootOf(ada), bob.devices[0]!.cert];
    verifyDeviceCert(cert.encoded);
    expectCode('mismatch', () => createAddDevice(ada.log, cert, root));
  });

  it('A07 refuses device ids and keys that could be taken for something else', () => {
    const ada = makeAccount('ada', 1);
    const first = ada.devices[0]!;
    for (const id of [ada.log.accountId, rootFingerprint(ada.root.publicKey), first.cert.deviceId]) {
      expectCode('mismatch', () => createAddDevice(ada.log, deviceWithId(ada, id).cert, rootOf(ada)));
    }
    const device = {
      aid: ada.log.aid,
      deviceId: makeDevice(ada).cert.deviceId,
      kind: 'full',
      createdAt: NOW,
    } as const;
    const fresh = makeDevice(ada).secrets;
    for (const secrets of [
      { ...fresh, signing: ada.root },
      { ...fresh, signing: first.secrets.signing },
      { ...fresh, dh: first.secrets.dh },
    ]) {
      const cert = certifyDevice(device, secrets);
      expectCode('mismatch', () => createAddDevice(ada.log, cert, rootOf(ada)));
    }
    // A device named like the root signs as a device: it never gets the root's rights.
    const asRoot = forge(ada.log, {
      op: 1,
      body: makeDevice(ada).cert.encoded,
      signerKind: 1,
      signerId: rootFingerprint(ada.root.publicKey),
      secretKey: ada.root.secretKey,
    });
    expectCode('unknown_device', () => extendAccountLog(ada.log, [asRoot]));
  });

  it('A08 the same device id under two accounts stays two devices', () => {
    const ada = makeAccount('ada', 1);
    const mallory = makeAccount('mallory', 0);
    const id = ada.devices[0]!.cert.deviceId;
    const twin = deviceWithId(mallory, id);
    const log = extendAccountLog(mallory.log, [createAddDevice(mallory.log, twin.cert, rootOf(mallory))]);
    expect(deviceAddress(log.aid, id)).not.toBe(deviceAddress(ada.log.aid, id));
    expect(liveDevices(log)[0]!.cert.signingPub).not.toEqual(liveDevices(ada.log)[0]!.cert.signingPub);
    // A removed device's id is never given out again, not even for the same keys.
    const gone = withEntry(
      ada,
      createRevokeDevice(ada.log, { deviceId: id, reason: 'removed' }, rootOf(ada)),
    );
    expectCode('mismatch', () => createAddDevice(gone.log, ada.devices[0]!.cert, rootOf(gone)));
  });

  it.each<DeviceKind>(['bot', 'readonly'])('A09 a %s device signs nothing here', (kind) => {
    const { account, device } = addDevice(makeAccount('ada', 1), kind);
    expectCode('not_allowed', () =>
      createAddDevice(account.log, makeDevice(account).cert, deviceSigner(device)),
    );
    const target = { deviceId: account.devices[0]!.cert.deviceId, reason: 'removed' } as const;
    expectCode('not_allowed', () => createRevokeDevice(account.log, target, deviceSigner(device)));
    expectCode('not_allowed', () =>
      extendAccountLog(account.log, [forgeAdd(account, device, makeDevice(account))]),
    );
  });
});

describe('A10, A31 bounds and unknown things', () => {
  it('A10 refuses the 25th live device and, a slot freed, takes it', () => {
    let ada = makeAccount('ada', 24);
    expectCode('limit', () => createAddDevice(ada.log, makeDevice(ada).cert, rootOf(ada)));
    expectCode('limit', () => extendAccountLog(ada.log, [forgeAdd(ada, ada.devices[0]!, makeDevice(ada))]));
    const oldest = { deviceId: ada.devices[0]!.cert.deviceId, reason: 'replaced' } as const;
    ada = withEntry(ada, createRevokeDevice(ada.log, oldest, rootOf(ada)));
    ada = addDevice(ada).account;
    expect(liveDevices(ada.log)).toHaveLength(24);
  });

  it('A10 refuses the 513th entry', () => {
    let ada = makeAccount('ada', 1);
    while (ada.log.headSeq < 510) {
      const { account, device } = addDevice(ada);
      const bye = { deviceId: device.cert.deviceId, reason: 'removed' } as const;
      ada = withEntry(account, createRevokeDevice(account.log, bye, rootOf(account)));
    }
    ada = ada.log.headSeq === 511 ? ada : addDevice(ada).account;
    expect(ada.entries).toHaveLength(512);
    expect(openAccountLog(ada.entries).headSeq).toBe(511);
    expectCode('limit', () => createAddDevice(ada.log, makeDevice(ada).cert, rootOf(ada)));
    expectCode('limit', () => openAccountLog([...ada.entries, ada.entries[511]!]));
  });

  it('A31 refuses unknown versions, operations, signer kinds, reasons and devices without suite 1', () => {
    const ada = makeAccount('ada', 1);
    const signer = {
      signerKind: 0,
      signerId: rootFingerprint(ada.root.publicKey),
      secretKey: ada.root.secretKey,
    };
    const body = makeDevice(ada).cert.encoded;
    for (const op of [5, 6, 7, 255]) {
      expectCode('unsupported', () => extendAccountLog(ada.log, [forge(ada.log, { op, body, ...signer })]));
    }
    for (const v of [0, 2])
      expectCode('unsupported', () =>
        extendAccountLog(ada.log, [forge(ada.log, { op: 1, body, v, ...signer })]),
      );
    const kind = forge(ada.log, { op: 1, body, ...signer, signerKind: 2 });
    expectCode('unsupported', () => extendAccountLog(ada.log, [kind]));
    const reason = concat(ada.devices[0]!.cert.deviceId, Uint8Array.of(9));
    expectCode('unsupported', () =>
      extendAccountLog(ada.log, [forge(ada.log, { op: 2, body: reason, ...signer })]),
    );
  });

  it('A95 a signature over other bytes, or one flipped bit anywhere, is refused', () => {
    const ada = makeAccount('ada', 1);
    const entry = createAddDevice(ada.log, makeDevice(ada).cert, rootOf(ada));
    for (let at = 0; at < entry.length; at++) {
      const bad = entry.slice();
      bad[at]! ^= 1 << (at % 8);
      let ok = true;
      try {
        extendAccountLog(ada.log, [bad]);
      } catch {
        ok = false;
      }
      expect(ok, `byte ${at}`).toBe(false);
    }
  });
});
