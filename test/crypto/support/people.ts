// Ready-made accounts and devices for tests, from one seed each.
import {
  createAddDevice,
  createGenesis,
  openAccountLog,
  extendAccountLog,
  type AccountLogState,
} from '#crypto/account-log.ts';
import { generateDevice, type DeviceCert, type DeviceKind, type DeviceSecrets } from '#crypto/device.ts';
import { randomId } from '#crypto/ids.ts';
import { ed25519KeyPair, type KeyPair } from '#crypto/primitives.ts';
import type { Rng } from '#crypto/rng.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { utf8 } from '#crypto/bytes.ts';

/** Server time all test data is made at (ms). */
export const NOW = 1_790_000_000_000;

export interface TestDevice {
  readonly secrets: DeviceSecrets;
  readonly cert: DeviceCert;
}

/** An account with its root, its log as the server would serve it, and its devices in order. */
export interface TestAccount {
  readonly rng: Rng;
  readonly root: KeyPair;
  readonly entries: readonly Uint8Array[];
  readonly log: AccountLogState;
  readonly devices: readonly TestDevice[];
}

/** A new account named by its seed with `deviceCount` full devices, all added by the root. */
export function makeAccount(name: string, deviceCount = 1): TestAccount {
  const rng = seededRng(utf8(name));
  const root = ed25519KeyPair(rng);
  const genesis = createGenesis({ accountId: randomId(rng), root, createdAt: NOW }, rng);
  let account: TestAccount = { rng, root, entries: [genesis], log: openAccountLog([genesis]), devices: [] };
  for (let i = 0; i < deviceCount; i++) account = addDevice(account).account;
  return account;
}

/** The device's keys and certificate for this account, not in its log yet. */
export function makeDevice(account: TestAccount, kind: DeviceKind = 'full'): TestDevice {
  const device = { aid: account.log.aid, deviceId: randomId(account.rng), kind, createdAt: NOW };
  return generateDevice(device, account.rng);
}

/** A new device of this kind, certified by the root. */
export function addDevice(
  account: TestAccount,
  kind: DeviceKind = 'full',
): { account: TestAccount; device: TestDevice } {
  const device = makeDevice(account, kind);
  const signer = { kind: 'root', secretKey: account.root.secretKey } as const;
  const entry = createAddDevice(account.log, device.cert, signer);
  return { account: withEntry({ ...account, devices: [...account.devices, device] }, entry), device };
}

/** The account after one more accepted entry. */
export function withEntry(account: TestAccount, entry: Uint8Array): TestAccount {
  return {
    ...account,
    entries: [...account.entries, entry],
    log: extendAccountLog(account.log, [entry]),
  };
}
