// Registration, composed: account, credential, account log with its first device, ownership or invite, session —
// one transaction, nothing of it without the rest.
import { vaultHeader } from '#crypto/verify.ts';
import type { RequestInfo } from '#server/context.ts';
import type { Deps } from '#server/deps.ts';
import { requireDiskRoom } from '#server/disk-room.ts';
import {
  requireFoundedLog,
  storeFoundedLog,
  type FoundedLog,
} from '#server/domains/devices/account-log.service.ts';
import { acceptInviteIn } from '#server/domains/invites/invites.service.ts';
import { createSession, type IssuedSession } from '#server/domains/sessions/sessions.service.ts';
import { hashLoginSecret } from '#server/platform/password.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, requireProof } from '#server/proof.ts';
import type * as z from 'zod/mini';
import { reservedUsernames, type registerInput } from '#shared/auth.ts';
import { AppError } from '#shared/errors.ts';
import { insertAccount, insertCredential, isUsernameTaken } from './auth.queries.ts';
import { claimOwnership, readSettings, requireSetupRight } from './setup.service.ts';

export type RegisterInput = z.infer<typeof registerInput>;

const taken = (): AppError => new AppError({ code: 'taken' });

/** Everything that can be decided or computed before the transaction. */
interface Prepared {
  readonly log: FoundedLog;
  readonly vault: Uint8Array;
  readonly secretHash: string;
  readonly recoveryHash: string;
}

/** The vault must be this account's: it carries the identity its log proves. */
export function requireVault(encoded: string, log: FoundedLog): Uint8Array {
  const vault = decodeBytes(encoded);
  const { aid } = requireProof('vault', () => vaultHeader(vault));
  if (Buffer.compare(aid, log.state.aid) !== 0) throw new AppError({ code: 'bad_proof', what: 'vault' });
  return vault;
}

async function prepare(input: RegisterInput): Promise<Prepared> {
  const { accountId, deviceId, deviceLabel: label } = input;
  const log = requireFoundedLog({ accountId, deviceId, label, log: input.log });
  const vault = requireVault(input.vault, log);
  const secretHash = await hashLoginSecret(decodeBytes(input.loginSecret));
  const recoveryHash = await hashLoginSecret(decodeBytes(input.recoveryAuth));
  return { log, vault, secretHash, recoveryHash };
}

/** Whether this person may register at all; asked before the costly work and again inside the transaction. */
async function requireAdmission(deps: Deps, request: RequestInfo, input: RegisterInput): Promise<void> {
  const settings = await readSettings(deps.db);
  if (input.setup) {
    if (settings.hasOwner) throw new AppError({ code: 'setup_done' });
    return requireSetupRight(deps, request, input.setup.token);
  }
  if (!settings.hasOwner) throw new AppError({ code: 'setup_required' });
  if (settings.registration === 'closed') throw new AppError({ code: 'registration_closed' });
  if (settings.registration === 'invite' && !input.inviteCode)
    throw new AppError({ code: 'invite_required' });
}

/** Ownership goes to exactly one set-up; registering by mode sees the mode of this moment. */
async function settleAdmission(tx: Tx, input: RegisterInput): Promise<'owner' | 'member'> {
  if (input.setup) {
    if (!(await claimOwnership(tx, input.accountId))) throw new AppError({ code: 'setup_done' });
    return 'owner';
  }
  const { registration } = await readSettings(tx);
  if (registration === 'closed') throw new AppError({ code: 'registration_closed' });
  if (registration === 'invite' && !input.inviteCode) throw new AppError({ code: 'invite_required' });
  return 'member';
}

async function storeAccount(
  tx: Tx,
  deps: Deps,
  stored: { input: RegisterInput; prepared: Prepared },
): Promise<void> {
  const { input, prepared } = stored;
  const { accountId, username, displayName, kdf } = input;
  const instanceRole = await settleAdmission(tx, input);
  const createdAt = new Date(deps.clock.now());
  const isNew = await insertAccount(tx, { accountId, username, displayName, instanceRole, createdAt });
  if (!isNew) throw taken();
  const { vault, secretHash, recoveryHash } = prepared;
  const salted = { v: kdf.v, m: kdf.m, t: kdf.t, salt: decodeBytes(kdf.salt) };
  await insertCredential(tx, { accountId, kdf: salted, secretHash, recoveryHash, vault });
  await storeFoundedLog(tx, deps, prepared.log);
}

/**
 * Registers an account and opens its first session (not yet bound to the device: `devices.attach` follows). Throws
 * `taken`, `bad_proof`, `setup_required`, `setup_done`, `bad_setup_token`, `registration_closed`, `invite_required`,
 * `invite_invalid`, `disk_low`.
 */
export async function register(
  deps: Deps,
  request: RequestInfo,
  input: RegisterInput,
): Promise<IssuedSession> {
  requireDiskRoom(deps);
  await requireAdmission(deps, request, input);
  if (reservedUsernames.includes(input.username)) throw taken();
  if (await isUsernameTaken(deps.db, input.username)) throw taken();
  const prepared = await prepare(input);
  return transaction(deps.db, async (tx) => {
    await storeAccount(tx, deps, { input, prepared });
    const { accountId, inviteCode } = input;
    if (inviteCode) await acceptInviteIn(tx, deps, { accountId, code: inviteCode });
    const origin = { userAgent: request.userAgent, address: request.address };
    return createSession(tx, deps, { accountId, deviceId: null, origin });
  });
}
