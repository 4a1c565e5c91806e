// Passkeys: made in the settings, then good for logging in and as the second factor. The server keeps public keys.
import type { Actor, Deps } from '#server/deps.ts';
import type { RequestInfo } from '#server/context.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import {
  creationOptions,
  relyingParty,
  requestOptions,
  verifyAssertion,
  verifyAttestation,
  type CreationOptions,
  type RequestOptions,
} from '#server/platform/webauthn.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Assertion, Attestation, PasskeySummary } from '#shared/second-factor.ts';
import { issueTicket, useTicket } from './one-time.ts';
import {
  deletePasskey,
  findPasskey,
  insertPasskey,
  listPasskeys,
  renamePasskeyRow,
  touchPasskey,
} from './passkeys.queries.ts';
import { readSettings } from './settings.queries.ts';

type Caller = { readonly actor: Actor; readonly request: RequestInfo };

const forLogin = { purpose: 'passkey-login', subject: '' } as const;
const forAdding = (accountId: AccountId) => ({ purpose: 'passkey-add', subject: accountId }) as const;

/** An account id (UUID) as the 16 bytes authenticators keep beside a passkey. */
const handleOf = (accountId: AccountId): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(accountId.replaceAll('-', ''), 'hex'));

/** Options for using a passkey: to log in, as the second factor, or to prove oneself again. */
export function challengePasskey(deps: Deps, request: RequestInfo): Promise<RequestOptions> {
  return requestOptions(relyingParty(deps.env, request.origin), issueTicket(deps, forLogin));
}

/** Options for making a passkey. Throws `limit_reached`. */
export async function beginPasskey(deps: Deps, caller: Caller): Promise<CreationOptions> {
  const { accountId } = caller.actor;
  const known = await listPasskeys(deps.db, accountId);
  requireRoom(known.length);
  const { name: partyName } = await readSettings(deps.db);
  const account = await deps.db.prisma.account.findUniqueOrThrow({ where: { id: accountId } });
  return creationOptions({
    party: relyingParty(deps.env, caller.request.origin),
    partyName,
    challenge: issueTicket(deps, forAdding(accountId)),
    user: {
      handle: handleOf(accountId),
      name: account.username ?? account.displayName,
      displayName: account.displayName,
    },
    known: known.map((passkey) => encodeBytes(passkey.credentialId)),
  });
}

function requireRoom(count: number): void {
  const max = limits.passkeysPerAccount;
  if (count >= max) throw new AppError({ code: 'limit_reached', limit: 'passkeysPerAccount', max });
}

const summaryOf = (row: Awaited<ReturnType<typeof listPasskeys>>[number]): PasskeySummary => ({
  passkeyId: row.id,
  name: row.name,
  createdAt: row.createdAt.getTime(),
  lastUsedAt: row.lastUsedAt?.getTime() ?? null,
});

/** Keeps a new passkey. Throws `bad_proof`, `conflict` (it is kept already), `limit_reached`. */
export function addPasskey(
  deps: Deps,
  caller: Caller,
  input: { readonly name: string; readonly attestation: Attestation },
): Promise<PasskeySummary> {
  const { accountId } = caller.actor;
  const { name, attestation } = input;
  return transaction(deps.db, async (tx) => {
    const made = await verifyAttestation(attestation, {
      party: relyingParty(deps.env, caller.request.origin),
      takeChallenge: (ticket) => useTicket(tx, deps, { ...forAdding(accountId), ticket }),
    });
    if (!made) throw new AppError({ code: 'bad_proof', what: 'passkey' });
    const createdAt = new Date(deps.clock.now());
    const transports = attestation.response.transports ?? [];
    const id = uuidv7(deps.clock);
    if (!(await insertPasskey(tx, { ...made, id, accountId, transports, name, createdAt }))) {
      throw new AppError({ code: 'conflict', what: 'passkey' });
    }
    // After inserting, so that two at once cannot both find the last place free.
    requireRoom((await listPasskeys(tx, accountId)).length - 1);
    return { passkeyId: id, name, createdAt: createdAt.getTime(), lastUsedAt: null };
  });
}

/** Of one's own passkeys, oldest first. */
export const readPasskeys = async (deps: Deps, accountId: AccountId): Promise<readonly PasskeySummary[]> =>
  (await listPasskeys(deps.db, accountId)).map(summaryOf);

export async function renamePasskey(
  deps: Deps,
  actor: Actor,
  input: { readonly passkeyId: string; readonly name: string },
): Promise<void> {
  const { passkeyId: id, name } = input;
  if (!(await renamePasskeyRow(deps.db, { id, accountId: actor.accountId, name }))) throw notFound();
}

export async function removePasskey(
  deps: Deps,
  actor: Actor,
  input: { readonly passkeyId: string },
): Promise<void> {
  const { accountId } = actor;
  if (!(await deletePasskey(deps.db, { id: input.passkeyId, accountId }))) throw notFound();
}

/**
 * Whose passkey made this assertion; null when it does not verify, its challenge was used before, or its counter
 * fell back (a copied key). Its use is noted in the caller's transaction.
 */
export async function usePasskey(
  tx: Tx,
  deps: Deps,
  given: { readonly assertion: Assertion; readonly request: RequestInfo },
): Promise<{ readonly accountId: AccountId; readonly isSuspended: boolean } | null> {
  const { assertion, request } = given;
  const passkey = await findPasskey(tx, decodeBytes(assertion.id));
  if (!passkey) return null;
  const { accountId, isSuspended } = passkey;
  const handle = assertion.response.userHandle;
  if (handle !== undefined && handle !== encodeBytes(handleOf(accountId))) return null;
  const signCount = await verifyAssertion(assertion, {
    party: relyingParty(deps.env, request.origin),
    takeChallenge: (ticket) => useTicket(tx, deps, { ...forLogin, ticket }),
    passkey,
  });
  if (signCount === null) return null;
  const isFirst = await touchPasskey(tx, { id: passkey.id, signCount, now: new Date(deps.clock.now()) });
  return isFirst ? { accountId, isSuspended } : null;
}
