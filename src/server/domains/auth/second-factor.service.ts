// The second step of logging in. It is asked for once codes by time are switched on; then a backup code or a passkey
// does as well. Secrets are sealed and backup codes hashed under the server's TOTP key.
import { createHmac, randomBytes } from 'node:crypto';
import type { RequestInfo } from '#server/context.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { seal, unseal } from '#server/platform/sealed.ts';
import { matchTotp, toBase32, TOTP_SECRET_BYTES, totpUri } from '#server/platform/totp.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import { AppError } from '#shared/errors.ts';
import type { AccountId, SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type {
  BackupCodes,
  Factor,
  FactorMethod,
  FactorProof,
  FactorStatus,
  TotpOffer,
} from '#shared/second-factor.ts';
import {
  advanceStep,
  deleteTotp,
  enableTotpRow,
  findFactors,
  offerTotp,
  replaceBackupCodes,
  takeBackupCode,
  type FactorRow,
} from './factors.queries.ts';
import { guarded, requireCodesUnlocked } from './guard.ts';
import { issueTicket, useTicket } from './one-time.ts';
import { readPasskeys, usePasskey } from './passkeys.service.ts';
import { readSettings } from './settings.queries.ts';

type Caller = { readonly actor: Actor; readonly request: RequestInfo };

const ticketUse = (sessionId: SessionId) => ({ purpose: 'second-factor', subject: sessionId }) as const;

/** What counts as this session's second factor once more, within minutes. */
export const factorTicket = (deps: Deps, sessionId: SessionId): string =>
  encodeBytes(issueTicket(deps, ticketUse(sessionId)));

const BACKUP_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

const contextOf = (accountId: AccountId): string => `chatalot/totp/${accountId}`;
/** `guarded` puts the number of tries left in its place. */
const refused = (): AppError => new AppError({ code: 'bad_second_factor', triesLeft: 0 });
const conflict = (): AppError => new AppError({ code: 'conflict', what: 'second_factor' });

async function requireFactors(tx: Tx, accountId: AccountId): Promise<FactorRow> {
  const row = await findFactors(tx, accountId);
  if (!row) throw new AppError({ code: 'session_revoked' });
  return row;
}

function methodsOf(row: FactorRow): FactorMethod[] {
  const methods: FactorMethod[] = ['totp'];
  if (row.backupCodes > 0) methods.push('backup');
  if (row.passkeys > 0) methods.push('passkey');
  return methods;
}

const backupHash = (deps: Deps, accountId: AccountId, code: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(
    createHmac('sha256', deps.secrets.totpKey).update(`backup-code/${accountId}/${code}`).digest(),
  );

/** 50 bits each, in the recovery code's alphabet. 256 is a multiple of 32: no character is likelier. */
function newBackupCode(): string {
  const characters = Array.from(randomBytes(10), (byte) => BACKUP_ALPHABET[byte & 31]);
  return `${characters.slice(0, 5).join('')}-${characters.slice(5).join('')}`;
}

async function storeBackupCodes(tx: Tx, deps: Deps, accountId: AccountId): Promise<BackupCodes> {
  const backupCodes = Array.from({ length: limits.backupCodes }, newBackupCode);
  await replaceBackupCodes(
    tx,
    accountId,
    backupCodes.map((code) => backupHash(deps, accountId, code)),
  );
  return { backupCodes };
}

interface Given {
  readonly accountId: AccountId;
  readonly row: FactorRow;
}

async function useTotp(tx: Tx, deps: Deps, given: Given & { readonly code: string }): Promise<boolean> {
  const { accountId, row, code } = given;
  await requireCodesUnlocked(deps, row.username);
  const { sealedSecret, lastStep } = row;
  const secret = sealedSecret && unseal(deps.secrets.totpKey, sealedSecret, contextOf(accountId));
  if (!secret) {
    // The server lost or changed its key: nobody's code can count any more.
    if (sealedSecret) deps.log.error('second_factor.unreadable', { accountId });
    return false;
  }
  const step = matchTotp(code, { secret, lastStep, now: deps.clock.now() });
  return step !== null && (await advanceStep(tx, accountId, step));
}

async function isRight(
  tx: Tx,
  deps: Deps,
  given: Given & { readonly factor: Factor; readonly request: RequestInfo },
): Promise<boolean> {
  const { accountId, row, factor, request } = given;
  switch (factor.kind) {
    case 'totp':
      return useTotp(tx, deps, { accountId, row, code: factor.code });
    case 'backup':
      await requireCodesUnlocked(deps, row.username);
      return takeBackupCode(tx, accountId, backupHash(deps, accountId, factor.code));
    case 'passkey': {
      const used = await usePasskey(tx, deps, { assertion: factor.assertion, request });
      return used?.accountId === accountId;
    }
  }
}

/**
 * Asks for the second factor where the account has one, in the caller's transaction and inside `guarded`; answers
 * whether one was given. A code, ticket or challenge used here is used up with the transaction. Throws
 * `second_factor_required`, `bad_second_factor`, `locked_out`.
 */
export async function requireSecondFactor(
  tx: Tx,
  deps: Deps,
  given: {
    readonly accountId: AccountId;
    readonly factor: FactorProof | undefined;
    readonly request: RequestInfo;
    /** Whose ticket counts. */
    readonly sessionId?: SessionId;
  },
): Promise<boolean> {
  const { accountId, factor, request, sessionId } = given;
  const row = await requireFactors(tx, accountId);
  if (row.enabledAt === null) return false;
  const required = new AppError({ code: 'second_factor_required', methods: methodsOf(row) });
  if (!factor) throw required;
  if (factor.kind === 'ticket') {
    const use = sessionId && { ...ticketUse(sessionId), ticket: decodeBytes(factor.ticket) };
    // A ticket that ran out is no guess: the person is asked again.
    if (!use || !(await useTicket(tx, deps, use))) throw required;
    return true;
  }
  if (!(await isRight(tx, deps, { accountId, row, factor, request }))) throw refused();
  return true;
}

/** What protects the account besides its password. */
export async function readFactors(deps: Deps, actor: Actor): Promise<FactorStatus> {
  const row = await findFactors(deps.db, actor.accountId);
  const enabledAt = row?.enabledAt?.getTime();
  return {
    totp: enabledAt === undefined ? null : { enabledAt, backupCodesLeft: row?.backupCodes ?? 0 },
    passkeys: await readPasskeys(deps, actor.accountId),
  };
}

/** A fresh secret, shown once; log-in asks for its codes only after `enableTotp`. Throws `conflict` when on. */
export async function beginTotp(deps: Deps, actor: Actor): Promise<TotpOffer> {
  const { accountId } = actor;
  const secret = randomBytes(TOTP_SECRET_BYTES);
  const sealed = seal(deps.secrets.totpKey, secret, contextOf(accountId));
  return transaction(deps.db, async (tx) => {
    const { username } = await requireFactors(tx, accountId);
    if (!(await offerTotp(tx, accountId, sealed))) throw conflict();
    const { name } = await readSettings(tx);
    return { secret: toBase32(secret), uri: totpUri(secret, { issuer: name, name: username }) };
  });
}

/** Guards a change of the second factor and runs it in one transaction. */
async function change<T>(
  deps: Deps,
  caller: Caller,
  run: (tx: Tx, row: FactorRow) => Promise<T>,
): Promise<T> {
  const { actor, request } = caller;
  const { username } = (await findFactors(deps.db, actor.accountId)) ?? { username: '' };
  return guarded(deps, { username, address: request.address }, () =>
    transaction(deps.db, async (tx) => run(tx, await requireFactors(tx, actor.accountId))),
  );
}

/**
 * From now on log-in asks for codes; answers the backup codes, shown once. Throws `bad_second_factor`, `conflict`
 * (on already, or nothing was begun).
 */
export function enableTotp(
  deps: Deps,
  caller: Caller,
  input: { readonly code: string },
): Promise<BackupCodes> {
  const { accountId } = caller.actor;
  return change(deps, caller, async (tx, row) => {
    if (row.enabledAt !== null || row.sealedSecret === null) throw conflict();
    if (!(await useTotp(tx, deps, { accountId, row, code: input.code }))) throw refused();
    if (!(await enableTotpRow(tx, accountId, new Date(deps.clock.now())))) throw conflict();
    return storeBackupCodes(tx, deps, accountId);
  });
}

interface OwnFactor {
  readonly factor: FactorProof;
}

/** Log-in asks for the password alone from now on; secret and backup codes are forgotten. */
export const turnOffTotp = (tx: Tx, accountId: AccountId): Promise<void> => deleteTotp(tx, accountId);

/** Log-in asks for the password alone again. Throws `bad_second_factor`, `conflict` (off already). */
export function disableTotp(deps: Deps, caller: Caller, input: OwnFactor): Promise<void> {
  const { accountId } = caller.actor;
  return change(deps, caller, async (tx, row) => {
    if (row.enabledAt === null) throw conflict();
    await requireSecondFactor(tx, deps, { ...caller.actor, factor: input.factor, request: caller.request });
    await turnOffTotp(tx, accountId);
  });
}

/** New backup codes in the place of all old ones. Throws `bad_second_factor`, `conflict` (codes are off). */
export function renewBackupCodes(deps: Deps, caller: Caller, input: OwnFactor): Promise<BackupCodes> {
  const { accountId } = caller.actor;
  return change(deps, caller, async (tx, row) => {
    if (row.enabledAt === null) throw conflict();
    await requireSecondFactor(tx, deps, { ...caller.actor, factor: input.factor, request: caller.request });
    return storeBackupCodes(tx, deps, accountId);
  });
}
