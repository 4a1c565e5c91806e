// Every procedure says what it is an act of, or is on the short list of those that need no one to be signed in.
import { describe, expect, it } from 'vitest';
import { appRouter } from '#server/router.ts';
import { actions } from '#shared/permissions.ts';

/** What may be asked before log-in. Adding a name here is a decision to be argued in review. */
const PUBLIC = [
  'auth.available',
  'auth.claimLink',
  'auth.kdf',
  'auth.login',
  'auth.recover',
  'auth.recoveryVault',
  'auth.passkeyChallenge',
  'auth.passkeyLogin',
  'auth.refresh',
  'auth.register',
  // the link of whoever runs the server: 24 random bytes, once
  'auth.resetPassword',
  'instance.info',
  'invites.preview',
  // a new device is nobody yet; what it may use it knows by 16 random bytes
  'links.ask',
  'links.close',
  'links.open',
  'links.read',
];

/** What a stolen session must not do: fresh proof of the person is asked for, always or for some inputs. */
const SENSITIVE: Readonly<Record<string, 'always' | 'sometimes'>> = {
  /** Entries that add a device: certifying one gives it everything the account has. */
  'devices.append': 'sometimes',
  'links.approve': 'always',
  'account.changePassword': 'always',
  'account.changeRecovery': 'always',
  'account.resetIdentity': 'always',
  'account.rotateBackup': 'always',
  'factors.beginTotp': 'always',
  'factors.disableTotp': 'always',
  'factors.enableTotp': 'always',
  'factors.renewBackupCodes': 'always',
  'passkeys.add': 'always',
  'passkeys.begin': 'always',
  'passkeys.remove': 'always',
};

interface Meta {
  readonly sensitive?: 'always' | 'sometimes';
  readonly action?: string;
  readonly public?: boolean;
}

/** tRPC keeps the flat table of all procedures here, whatever the nesting. */
const table = appRouter._def.procedures as unknown as Record<
  string,
  { readonly _def: { readonly meta?: Meta } }
>;
const procedures = Object.entries(table).map(([name, procedure]) => ({
  name,
  meta: procedure._def.meta ?? {},
}));

describe('procedures', () => {
  it('are there at all', () => {
    expect(procedures.length).toBeGreaterThan(20);
  });

  it.each(procedures)('$name names its action or is on the public list', ({ name, meta }) => {
    if (meta.action === undefined) {
      expect(meta.public, 'neither an action nor public').toBe(true);
      expect(PUBLIC).toContain(name);
    } else {
      expect(Object.keys(actions)).toContain(meta.action);
      expect(PUBLIC).not.toContain(name);
    }
  });

  it('leave no name on the public list that does not exist', () => {
    const names = procedures.map(({ name }) => name);
    expect(PUBLIC.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('that are sensitive are exactly those listed here', () => {
    const marked = procedures.flatMap(({ name, meta }) => (meta.sensitive ? [[name, meta.sensitive]] : []));
    expect(Object.fromEntries(marked)).toEqual(SENSITIVE);
  });

  it('are called noun.verb', () => {
    expect(
      procedures.map(({ name }) => name).filter((name) => !/^[a-z]+\.[a-z][A-Za-z]*$/.test(name)),
    ).toEqual([]);
  });
});
