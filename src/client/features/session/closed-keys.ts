// A right password that opens no keys: after a link of whoever runs the server, or where the account started over on
// another browser. A person decides what becomes of it; nothing is given up before.
import { failureOf } from '#client/api/errors.ts';
import { CryptoCallError, type CryptoClient } from '#client/crypto/crypto-client.ts';
import type { PreparedReset } from '#client/crypto/protocol.ts';
import { deviceLabel } from '#client/lib/device-label.ts';
import type { LoginGrant } from '#shared/auth.ts';
import type { Tokens } from './tokens.ts';

/** The account's keys are closed for good here, unless by another way in. */
export interface ClosedKeys {
  readonly kind: 'closed';
  readonly username: string;
  /** Makes the keys to start over with and answers their recovery code. The server hears nothing of it. */
  prepare(): Promise<string>;
  /** Starts over with what was prepared last; may be repeated after a lost answer. */
  startOver(username: string): Promise<void>;
}

/** The account has other keys than this browser knew; who made them, its person must say. */
export interface StrangeKeys {
  readonly kind: 'strange';
  readonly username: string;
  /** Takes them: what this browser held of the account is erased. */
  take(): Promise<void>;
}

/** Resolves once the keys are this browser's; rejects when called off. */
export type AskKeys = (keys: ClosedKeys | StrangeKeys) => Promise<void>;

/** What a browser without keys of the account needs to be certified by the vault. */
export interface Certifying {
  readonly crypto: CryptoClient['api'];
  readonly tokens: Tokens;
  readonly grant: LoginGrant;
  readonly loginSecret: string;
  readonly askKeys?: AskKeys | undefined;
}

/** Which question stands in the way; null for a failure that no answer helps. */
function questionOf(error: unknown): 'closed' | 'strange' | null {
  if (!(error instanceof CryptoCallError)) return null;
  if (error.code === 'bad_mac') return 'closed';
  return error.code === 'identity_reset' ? 'strange' : null;
}

/** Makes this browser a device of the account by its vault, or as its person decides where that stays closed. */
export async function certify(input: Certifying): Promise<void> {
  const { crypto, tokens, grant, loginSecret, askKeys } = input;
  const { http } = tokens;
  const { accountId, factorTicket } = grant;
  // The second factor was given at log-in; its ticket says so (protocol P10: in the same call).
  const factor = factorTicket === null ? {} : { factor: { kind: 'ticket', ticket: factorTicket } as const };
  const { vault } = await http.vault.get.mutate({ loginSecret, ...factor });
  const [own] = await http.devices.logs.query({ accounts: [{ accountId, fromSeq: 0 }] });
  const log = own?.entries ?? [];
  const take = async (hasStartedOver: boolean): Promise<void> => {
    const { entry } = await crypto.certifyDevice({ accountId, vault, log, hasStartedOver, now: Date.now() });
    await http.devices.append.mutate({ entry, label: deviceLabel() });
    await crypto.adopt();
  };
  try {
    await take(false);
  } catch (error) {
    const kind = questionOf(error);
    if (kind === null || !askKeys) throw error;
    const { username } = await http.users.me.query();
    if (kind === 'strange') await askKeys({ kind, username, take: () => take(true) });
    else await askKeys(closedKeys(input, username));
  }
}

function closedKeys({ crypto, tokens, grant, loginSecret }: Certifying, username: string): ClosedKeys {
  const { http } = tokens;
  let prepared: PreparedReset | null = null;
  const send = async (typed: string): Promise<void> => {
    if (!prepared) throw new CryptoCallError('keys');
    const { recoveryCode: _shown, accountId: _own, log, ...keys } = prepared;
    const asked = { ...keys, log: [...log], loginSecret, username: typed, deviceLabel: deviceLabel() };
    await http.account.resetIdentity.mutate(asked);
  };
  return {
    kind: 'closed',
    username,
    prepare: async () => {
      prepared = await crypto.prepareReset({ accountId: grant.accountId, now: Date.now() });
      return prepared.recoveryCode;
    },
    startOver: async (typed) => {
      await tokens.valid();
      try {
        await send(typed);
      } catch (error) {
        // Writing the code down took longer than a log-in counts as fresh.
        if (failureOf(error).code !== 'reauthentication_required') throw error;
        await http.auth.reauthenticate.mutate({ kind: 'password', loginSecret });
        await send(typed);
      }
      await crypto.adopt();
    },
  };
}
