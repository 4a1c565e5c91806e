// New doors to the vault, made by the real engine against whatever a hostile server hands out.
import { beforeEach, describe, expect, it } from 'vitest';
import { fromBase64Url, newRecoveryCode, openVault, systemRng, toBase64Url } from '#crypto/index.ts';
import type { CryptoApi } from '#client/crypto/protocol.ts';
import { Exchange, type Person } from '#test/client/support/exchange.ts';

let exchange: Exchange;
let ada: Person;
let code: string;

/** A person as `Exchange.join` makes one, with the code written down. */
async function joinWithCode(): Promise<void> {
  exchange = new Exchange();
  const { engine, store } = exchange.engine('ada');
  const made = await engine.prepareAccount({ password: 'ada-password', now: exchange.now });
  await engine.adopt();
  const { accountId, deviceId } = made;
  exchange.logs.set(accountId, [...made.log]);
  exchange.vaults.set(accountId, made.vault);
  exchange.kdfs.set(accountId, made.kdf);
  code = made.recoveryCode;
  ada = { name: 'ada', engine, store, accountId, deviceId };
}
beforeEach(joinWithCode);

const stored = () => ({ accountId: ada.accountId, vault: exchange.vaults.get(ada.accountId)! });
const kdf = () => exchange.kdfs.get(ada.accountId)!;
const prove = (engine: CryptoApi) => engine.deriveLogin({ password: 'ada-password', kdf: kdf() });
const refused = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'accepted',
    (error: { code?: string }) => error.code ?? 'untyped',
  );
/** v, aid, version, revision, count; then slot 0: id, kind, empty params, nonce 24, wrapped 48. */
const codeSlot = (vault: string): string => toBase64Url(fromBase64Url(vault).slice(36, 36 + 75));
const passwordSlot = (vault: string): Uint8Array => fromBase64Url(vault).slice(111, 111 + 97);

/** The three ways to change a door, each up to the point where the worker sees the vault. */
const ways: Record<string, (vault: string) => Promise<unknown>> = {
  password: async (vault) => {
    await prove(ada.engine);
    return ada.engine.makePassword({ ...stored(), vault, newPassword: 'another password' });
  },
  code: async (vault) => {
    await prove(ada.engine);
    return ada.engine.makeRecoveryCode({ ...stored(), vault });
  },
  recovery: (vault) =>
    ada.engine.makeRecovered({ ...stored(), vault, code, newPassword: 'another password' }),
};

describe('another password', () => {
  it('A86 leaves the recovery slot as it is: the code on paper opens the new vault', async () => {
    await prove(ada.engine);
    const before = stored().vault;
    const made = await ada.engine.makePassword({ ...stored(), newPassword: 'another password' });
    expect(codeSlot(made.vault)).toBe(codeSlot(before));
    expect(made.kdf.salt).not.toBe(kdf().salt);
    const aid = fromBase64Url(made.vault).slice(1, 33);
    const opened = openVault(fromBase64Url(made.vault), { kind: 'code', code }, { aid, minRevision: 2 });
    expect(opened.header.revision).toBe(2);
    // A new browser gets in by the new password alone.
    const { engine } = exchange.engine('laptop');
    const { loginSecret } = await engine.deriveLogin({ password: 'another password', kdf: made.kdf });
    expect(loginSecret).toBe(made.newLoginSecret);
    const log = exchange.logs.get(ada.accountId)!;
    const { accountId } = ada;
    await engine.certifyDevice({ accountId, vault: made.vault, log, now: exchange.now });
  });

  it('needs the current one', async () => {
    expect(await refused(ada.engine.makePassword({ ...stored(), newPassword: 'x'.repeat(12) }))).toBe(
      'not_allowed',
    );
    await ada.engine.deriveLogin({ password: 'a guess', kdf: kdf() });
    expect(await refused(ada.engine.makePassword({ ...stored(), newPassword: 'x'.repeat(12) }))).toBe(
      'bad_mac',
    );
  });
});

describe('another recovery code', () => {
  it('A86 leaves the password slot as it is', async () => {
    await prove(ada.engine);
    const before = stored().vault;
    const made = await ada.engine.makeRecoveryCode(stored());
    expect(passwordSlot(made.vault)).toEqual(passwordSlot(before));
    expect(made.newRecoveryAuth).toBe(await ada.engine.recoveryAuth({ code: made.recoveryCode }));
    expect(made.recoveryCode).not.toBe(code);
  });
});

describe('recovery', () => {
  it('on a browser that never saw the account opens by the code alone and replaces both doors', async () => {
    const { engine } = exchange.engine('laptop');
    const typed = ` ${code.toLowerCase().replace(/(.{4})/g, '$1-')}`;
    const newPassword = 'another password';
    const made = await engine.makeRecovered({ ...stored(), code: typed, newPassword });
    await engine.vaultStored();
    const log = exchange.logs.get(ada.accountId)!;
    const { accountId } = ada;
    await engine.certifyDevice({ accountId, vault: made.vault, log, now: exchange.now });
    await engine.adopt();
    const again = { accountId, vault: made.vault, newPassword };
    expect(await refused(engine.makeRecovered({ ...again, code }))).toBe('bad_mac');
    expect(await refused(engine.makeRecovered({ ...again, code: made.recoveryCode }))).toBe('accepted');
  });

  it('says when the code was mistyped, before anything is asked', async () => {
    const slip = `${code.slice(0, 25)}${code[25] === '0' ? '1' : '0'}`;
    expect(await refused(ada.engine.recoveryAuth({ code: slip }))).toBe('mismatch');
    expect(await refused(ada.engine.recoveryAuth({ code: 'too short' }))).toBe('malformed');
    const wrong = newRecoveryCode(systemRng);
    const recovering = ada.engine.makeRecovered({ ...stored(), code: wrong, newPassword: 'x'.repeat(12) });
    expect(await refused(recovering)).toBe('bad_mac');
  });
});

describe.each(Object.keys(ways))('A85 a hostile server, way: %s', (way) => {
  const take = (vault: string): Promise<string> => refused(ways[way]!(vault));

  it('hands out a rolled-back vault: refused from the moment the change was accepted', async () => {
    const old = stored().vault;
    await prove(ada.engine);
    const made = await ada.engine.makeRecoveryCode(stored());
    // Not accepted yet: the old vault is still the vault.
    expect(await take(old)).toBe('accepted');
    await prove(ada.engine);
    const { vault } = await ada.engine.makeRecoveryCode(stored());
    await ada.engine.vaultStored();
    expect(await take(old)).toBe('stale_record');
    expect(['accepted', 'bad_mac']).toContain(await take(vault));
    expect(made.vault).not.toBe(vault);
  });

  it('replaces a slot by an older one, or by one of another account', async () => {
    const old = fromBase64Url(stored().vault);
    const newer = fromBase64Url(await exchange.newerVault(ada));
    await prove(ada.engine);
    const made = fromBase64Url((await ada.engine.makeRecoveryCode(stored())).vault);
    const eve = fromBase64Url(
      (
        await new Exchange()
          .join('eve')
          .then((p) => p.engine.prepareAccount({ password: 'eve-password', now: 1 }))
      ).vault,
    );
    for (const [from, at, length] of [
      [made, 36, 75],
      [eve, 36, 75],
      [eve, 111, 97],
    ] as const) {
      const mixed = old.slice();
      mixed.set(from.slice(at, at + length), at);
      expect(await take(toBase64Url(mixed))).not.toBe('accepted');
    }
    expect(await take(toBase64Url(eve))).toBe('mismatch');
    expect(await take(toBase64Url(newer))).toBe('accepted');
  });
});

describe('A85 a server that lowers the Argon2id parameters', () => {
  it.each([
    { m: 8, t: 3 },
    { m: 65_536, t: 1 },
    { m: 1_048_576, t: 3 },
  ])('m=$m t=$t: no secret is derived, so none is sent', async (weak) => {
    const lowered = { ...kdf(), ...weak } as ReturnType<typeof kdf>;
    expect(await refused(ada.engine.deriveLogin({ password: 'ada-password', kdf: lowered }))).toBe(
      'weak_kdf',
    );
    // Nothing derived before is used instead.
    expect(await refused(ada.engine.makePassword({ ...stored(), newPassword: 'another password' }))).toBe(
      'not_allowed',
    );
  });

  it('cannot do it in the vault either: the slot is bound to what was used', async () => {
    const lowered = fromBase64Url(stored().vault);
    // Slot 1: id, kind, params length, v, then m as a varint: 16 MiB instead of 64.
    expect([...lowered.slice(115, 118)]).toEqual([0x80, 0x80, 0x04]);
    lowered.set([0x80, 0x80, 0x01], 115);
    for (const way of Object.values(ways)) expect(await refused(way(toBase64Url(lowered)))).toBe('weak_kdf');
  });
});
