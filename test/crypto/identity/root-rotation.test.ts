// The root hands over to another (op 3): what it changes, what it leaves, and who tries to hand over without the right.
import { describe, expect, it } from 'vitest';
import {
  accountIdentity,
  createAddDevice,
  createGenesis,
  createRevokeDevice,
  createRotateRoot,
  extendAccountLog,
  liveDevices,
  openAccountLog,
  rootFingerprint,
  signingRoot,
  type AccountLogState,
} from '#crypto/account-log.ts';
import { concat, fromHex, toHex, utf8 } from '#crypto/bytes.ts';
import { Writer } from '#crypto/codec.ts';
import { compareSide } from '#crypto/compare-code.ts';
import { generateDevice } from '#crypto/device.ts';
import { randomId } from '#crypto/ids.ts';
import { decodeLogEntry, encodeRotation, rotationFields } from '#crypto/log-entry.ts';
import { ed25519KeyPair, sign, type KeyPair } from '#crypto/primitives.ts';
import { safetyHalf } from '#crypto/safety-number.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { BAD_ED25519 } from '../support/bad-keys.ts';
import { expectCode } from '../support/expect-code.ts';
import { addDevice, makeAccount, makeDevice, NOW, withEntry, type TestAccount } from '../support/people.ts';
import { frozenVectors } from '../support/vectors.ts';

/** The account after its root handed over to a fresh one. */
function rotated(account: TestAccount): TestAccount {
  const next = ed25519KeyPair(account.rng);
  const entry = createRotateRoot(account.log, next, account.root.secretKey);
  return { ...withEntry(account, entry), root: next };
}

interface Forged {
  readonly body: Uint8Array;
  readonly secretKey: Uint8Array;
  readonly signerKind?: number;
  readonly signerId?: Uint8Array;
}

/** An op 3 at the head with any body, signed by any key: the honest constructor refuses to make it. */
function forge(log: AccountLogState, f: Forged): Uint8Array {
  const w = new Writer()
    .u8(1)
    .fixed(log.accountId, 16)
    .u32(log.headSeq + 1)
    .fixed(log.headHash, 32)
    .u8(3);
  w.bytes(f.body, 512)
    .u8(f.signerKind ?? 0)
    .fixed(f.signerId ?? rootFingerprint(signingRoot(log)), 16);
  return concat(w.done(), sign(f.secretKey, 'acct-log', w.done()));
}

function bodyOf(newRootPub: Uint8Array, sigByNew: Uint8Array): Uint8Array {
  return new Writer().u8(1).fixed(newRootPub, 32).fixed(sigByNew, 64).done();
}

const at = (log: AccountLogState, next: KeyPair) => ({
  aid: log.aid,
  seq: log.headSeq + 1,
  prevHash: log.headHash,
  newRootPub: next.publicKey,
});

describe('a root that hands over', () => {
  it('leaves AID, safety number, code and devices as they were; from then on only the new one signs', () => {
    const before = makeAccount('ada', 2);
    const after = rotated(before);
    expect(after.log.aid).toEqual(before.log.aid);
    expect(after.log.rootPub).toEqual(before.log.rootPub);
    expect(safetyHalf(after.log)).toBe(safetyHalf(before.log));
    expect(compareSide(after.log)).toEqual(compareSide(before.log));
    expect(liveDevices(after.log)).toEqual(liveDevices(before.log));
    expect(signingRoot(after.log)).toEqual(after.root.publicKey);

    const device = makeDevice(after);
    const byOld = { kind: 'root', secretKey: before.root.secretKey } as const;
    expectCode('bad_signature', () => createAddDevice(after.log, device.cert, byOld));
    const grown = addDevice(after).account;
    expect(liveDevices(grown.log)).toHaveLength(3);
    // Again, and read from the genesis on by somebody who meets the account now.
    const twice = addDevice(rotated(grown)).account;
    expect(openAccountLog(twice.entries)).toEqual(twice.log);
    expect(twice.log.laterRoots).toHaveLength(2);
    // And by somebody who knew it before.
    expect(extendAccountLog(before.log, twice.entries)).toEqual(twice.log);
  });

  it('lets devices that live on sign as before', () => {
    const account = rotated(makeAccount('ada', 2));
    const [first, second] = account.devices;
    const { deviceId, signing } = first!.secrets;
    const signer = { kind: 'device', deviceId, secretKey: signing.secretKey } as const;
    const entry = createRevokeDevice(
      account.log,
      { deviceId: second!.cert.deviceId, reason: 'lost' },
      signer,
    );
    expect(liveDevices(extendAccountLog(account.log, [entry]))).toHaveLength(1);
  });
});

describe('A05 a root that was not handed over', () => {
  const ada = makeAccount('ada', 1);
  const thief = ed25519KeyPair(seededRng(utf8('thief')));
  const good = encodeRotation(at(ada.log, thief), thief.secretKey);

  it('A05 is refused when only the new root signed, and when only the old one did', () => {
    // The new one alone: in the name of the old root, in its own, and by a device that is no root.
    expectCode('bad_signature', () =>
      extendAccountLog(ada.log, [forge(ada.log, { body: good, secretKey: thief.secretKey })]),
    );
    const own = { body: good, secretKey: thief.secretKey, signerId: rootFingerprint(thief.publicKey) };
    expectCode('bad_signature', () => extendAccountLog(ada.log, [forge(ada.log, own)]));
    const { deviceId, signing } = ada.devices[0]!.secrets;
    const byDevice = { body: good, secretKey: signing.secretKey, signerKind: 1, signerId: deviceId };
    expectCode('not_allowed', () => extendAccountLog(ada.log, [forge(ada.log, byDevice)]));
    // The old one alone: nothing, or its own signature, where the new one's belongs.
    const fields = rotationFields(at(ada.log, thief));
    for (const sigByNew of [new Uint8Array(64), sign(ada.root.secretKey, 'root-rotate', fields)]) {
      const body = bodyOf(thief.publicKey, sigByNew);
      expectCode('bad_signature', () =>
        extendAccountLog(ada.log, [forge(ada.log, { body, secretKey: ada.root.secretKey })]),
      );
    }
    expect(
      extendAccountLog(ada.log, [forge(ada.log, { body: good, secretKey: ada.root.secretKey })]).laterRoots,
    ).toEqual([thief.publicKey]);
  });

  it('A05 is refused when the new root agreed to another account or another position', () => {
    const ben = makeAccount('ben', 1);
    const next = ed25519KeyPair(ada.rng);
    const forBen = encodeRotation(at(ben.log, next), next.secretKey);
    expectCode('bad_signature', () =>
      extendAccountLog(ada.log, [forge(ada.log, { body: forBen, secretKey: ada.root.secretKey })]),
    );
    const early = encodeRotation(at(ada.log, next), next.secretKey);
    const grown = addDevice(ada).account;
    expectCode('bad_signature', () =>
      extendAccountLog(grown.log, [forge(grown.log, { body: early, secretKey: ada.root.secretKey })]),
    );
    // Made under another label than its own.
    const otherLabel = bodyOf(
      next.publicKey,
      sign(next.secretKey, 'acct-log', rotationFields(at(ada.log, next))),
    );
    expectCode('bad_signature', () =>
      extendAccountLog(ada.log, [forge(ada.log, { body: otherLabel, secretKey: ada.root.secretKey })]),
    );
  });

  it('A05 is refused when it is replayed, put into another log, or goes back to a root there was', () => {
    const entry = createRotateRoot(ada.log, thief, ada.root.secretKey);
    const after = withEntry(ada, entry);
    expect(extendAccountLog(after.log, [entry])).toEqual(after.log);
    const again = forge(after.log, {
      body: good,
      secretKey: ada.root.secretKey,
      signerId: rootFingerprint(ada.log.rootPub),
    });
    expectCode('bad_signature', () => extendAccountLog(after.log, [again]));
    expectCode('mismatch', () => extendAccountLog(makeAccount('ben', 1).log, [entry]));
    expectCode('mismatch', () => createRotateRoot(after.log, ada.root, thief.secretKey));
    expectCode('mismatch', () => createRotateRoot(after.log, thief, thief.secretKey));
    expectCode('mismatch', () => createRotateRoot(ada.log, ada.root, ada.root.secretKey));
  });

  it('A07 is refused when the new root is a device’s key, and a device when its key is a root there was', () => {
    const device = ada.devices[0]!.secrets.signing;
    expectCode('mismatch', () => createRotateRoot(ada.log, device, ada.root.secretKey));
    const after = rotated(ada);
    for (const root of [ada.root, after.root]) {
      const { cert } = generateDevice(
        { aid: ada.log.aid, deviceId: rootFingerprint(root.publicKey), kind: 'full', createdAt: NOW },
        ada.rng,
      );
      expectCode('mismatch', () =>
        createAddDevice(after.log, cert, { kind: 'root', secretKey: after.root.secretKey }),
      );
    }
  });

  it.each(BAD_ED25519.filter(({ key }) => key.length === 32))(
    'A61 refuses a bad key as the new root: $name',
    ({ key }) => {
      const body = bodyOf(key, new Uint8Array(64));
      expectCode('bad_key', () =>
        extendAccountLog(ada.log, [forge(ada.log, { body, secretKey: ada.root.secretKey })]),
      );
    },
  );

  it('A04 two different successors of one root are a fork', () => {
    const one = rotated(ada);
    const other = rotated({ ...ada, rng: makeAccount('elsewhere').rng });
    expectCode('fork', () => extendAccountLog(one.log, other.entries));
  });

  it('A05 another genesis stays an identity reset, also where it names a root of before', () => {
    const after = rotated(ada);
    const account = { accountId: ada.log.accountId, root: after.root, createdAt: NOW };
    const genesis = createGenesis(account, ada.rng);
    expectCode('identity_reset', () => extendAccountLog(after.log, [genesis]));
    expect(openAccountLog([genesis]).aid).not.toEqual(after.log.aid);
  });
});

describe('frozen vectors', () => {
  it('root rotation: genesis, a device, the rotation, a device by the new root', () => {
    const rng = seededRng(utf8('frozen/root-rotation'));
    const root = ed25519KeyPair(rng);
    const genesis = createGenesis({ accountId: randomId(rng), root, createdAt: NOW }, rng);
    const log0 = openAccountLog([genesis]);
    const make = () =>
      generateDevice({ aid: log0.aid, deviceId: randomId(rng), kind: 'full', createdAt: NOW }, rng);
    const addFirst = createAddDevice(log0, make().cert, { kind: 'root', secretKey: root.secretKey });
    const log1 = extendAccountLog(log0, [addFirst]);
    const next = ed25519KeyPair(rng);
    const rotate = createRotateRoot(log1, next, root.secretKey);
    const log2 = extendAccountLog(log1, [rotate]);
    const addSecond = createAddDevice(log2, make().cert, { kind: 'root', secretKey: next.secretKey });
    const made = {
      rootSecret: root.secretKey,
      newRootSecret: next.secretKey,
      newRootPub: next.publicKey,
      aid: log0.aid,
    };
    const fresh = Object.fromEntries(
      Object.entries({ ...made, genesis, addFirst, rotate, addSecond }).map(([key, value]) => [
        key,
        toHex(value),
      ]),
    );
    const frozen = frozenVectors('root-rotation.json', fresh);
    expect(fresh).toEqual(frozen);
    const entries = ['genesis', 'addFirst', 'rotate', 'addSecond'].map((key) => fromHex(frozen[key]!));
    const log = openAccountLog(entries);
    expect(toHex(log.aid)).toBe(frozen['aid']);
    expect(accountIdentity(log.accountId, log.rootPub)).toEqual(log.aid);
    expect(toHex(signingRoot(log))).toBe(frozen['newRootPub']);
    expect(decodeLogEntry(entries[2]!).body.op).toBe('rotateRoot');
  });
});
