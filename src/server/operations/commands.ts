// What the command line can have done: by the running server where there is one, so that open sockets hear of it, else
// by the command line itself. Input is checked here, whichever way it came.
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { AppError } from '#shared/errors.ts';
import type { SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Actor, Deps } from '../deps.ts';
import { findCommunities } from '../domains/communities/communities.service.ts';
import { offerPasswordReset } from '../domains/auth/password-reset.service.ts';
import {
  communityOfInvite,
  createInvite,
  listInvites,
  revokeInvite,
} from '../domains/invites/invites.service.ts';
import {
  listPeople,
  requirePerson,
  setInstanceRole,
  suspendPerson,
  type Standing,
} from '../domains/users/staff.service.ts';
import { verifyDatabase } from './verify-database.ts';

const LISTED = 10_000;
const DAY_MS = 86_400_000;
const username = z.string().min(1).max(limits.usernameMax);
const community = z.string().min(1).max(200);

export const commandSchema = z.discriminatedUnion('command', [
  z.object({ command: z.literal('user list'), search: z.string().max(limits.usernameMax).default('') }),
  z.object({ command: z.literal('user show'), username }),
  z.object({ command: z.literal('user suspend'), username }),
  z.object({ command: z.literal('user unsuspend'), username }),
  z.object({ command: z.literal('user reset-password'), username }),
  z.object({ command: z.literal('user role'), username, role: z.enum(['admin', 'member']) }),
  z.object({ command: z.literal('invite list'), community }),
  z.object({
    command: z.literal('invite create'),
    community,
    uses: z.number().int().min(1).max(limits.inviteUsesMax).optional(),
    days: z.number().int().min(1).max(365).optional(),
  }),
  z.object({ command: z.literal('invite revoke'), code: z.string().min(1).max(64) }),
  z.object({ command: z.literal('verify') }),
]);
export type Command = z.infer<typeof commandSchema>;

export interface CommandResult {
  /** False when it was carried out and found something wrong. */
  readonly isGood: boolean;
  readonly lines: readonly string[];
}

const said = (...lines: string[]): CommandResult => ({ isGood: true, lines });

/** A refusal in the operator's words. */
export class CommandError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CommandError';
  }
}

const day = (date: Date): string => date.toISOString().slice(0, 10);

function lineOf(person: Standing): string {
  const { username: name, displayName, instanceRole, createdAt, suspendedAt } = person;
  const facts = [instanceRole, `since ${day(createdAt)}`, ...(suspendedAt ? ['suspended'] : [])];
  return `${name ?? '(deleted)'}  ${displayName}  [${facts.join(', ')}]`;
}

async function showPerson(deps: Deps, name: string): Promise<CommandResult> {
  const person = await requirePerson(deps, name);
  const { accountId, suspendedAt, devices, sessions, communities } = person;
  return said(
    lineOf(person),
    `account ${accountId}`,
    `devices ${devices}, sessions ${sessions}, communities ${communities}`,
    ...(suspendedAt ? [`suspended since ${suspendedAt.toISOString()}`] : []),
  );
}

async function resetLink(deps: Deps, name: string): Promise<CommandResult> {
  const code = await offerPasswordReset(deps, name);
  return said(
    `${deps.env.publicUrl}/reset#${code}`,
    'Give it to them by a way you trust: whoever opens it sets the password. It works once, within 24 hours.',
    'It ends their sessions and turns their second step off. It opens no keys: for that they need their recovery',
    'code or a device that is logged in, or they start over with a new identity, which everybody they know is told.',
  );
}

/** The one community meant, and its owner, in whose name the command line acts there. */
async function ownerOf(deps: Deps, idOrName: string) {
  const found = await findCommunities(deps.db, idOrName);
  const [only] = found;
  if (!only) throw new CommandError(`There is no community "${idOrName}".`);
  if (found.length > 1) {
    const ids = found.map((each) => each.communityId).join(', ');
    throw new CommandError(`Several communities are called "${idOrName}": name one by its id (${ids}).`);
  }
  const actor: Actor = { accountId: only.ownerId, sessionId: randomUUID() as SessionId, deviceId: null };
  return { communityId: only.communityId, actor };
}

async function makeInvite(
  deps: Deps,
  input: {
    readonly community: string;
    readonly uses?: number | undefined;
    readonly days?: number | undefined;
  },
): Promise<CommandResult> {
  const { communityId, actor } = await ownerOf(deps, input.community);
  const expiresInMs = input.days === undefined ? undefined : input.days * DAY_MS;
  const { code } = await createInvite(deps, actor, { communityId, maxUses: input.uses, expiresInMs });
  deps.log.info('operator.invite_created', { communityId });
  return said(`${deps.env.publicUrl}/invite/${code}`);
}

async function showInvites(deps: Deps, idOrName: string): Promise<CommandResult> {
  const { communityId, actor } = await ownerOf(deps, idOrName);
  const invites = await listInvites(deps, actor, { communityId });
  return said(
    ...invites.map(({ code, createdByName, uses, maxUses, expiresAt }) => {
      const until = expiresAt === null ? 'never ends' : `until ${new Date(expiresAt).toISOString()}`;
      return `${code}  by ${createdByName}, used ${uses}${maxUses === null ? '' : ` of ${maxUses}`}, ${until}`;
    }),
  );
}

async function endInvite(deps: Deps, code: string): Promise<CommandResult> {
  const communityId = await communityOfInvite(deps.db, code);
  if (communityId === null) throw new CommandError('There is no such invite.');
  const { actor } = await ownerOf(deps, communityId);
  await revokeInvite(deps, actor, { code });
  deps.log.info('operator.invite_revoked', { communityId });
  return said('The invite no longer works.');
}

async function verify(deps: Deps): Promise<CommandResult> {
  const checks = await verifyDatabase(deps.db);
  const lines = checks.map(({ name, wrong }) =>
    wrong === 0 ? `ok      ${name}` : `WRONG   ${name}: ${wrong}`,
  );
  return { isGood: checks.every((check) => check.wrong === 0), lines };
}

function perform(deps: Deps, input: Command): Promise<CommandResult> {
  switch (input.command) {
    case 'user list':
      return listPeople(deps, input.search, LISTED).then((people) => said(...people.map(lineOf)));
    case 'user show':
      return showPerson(deps, input.username);
    case 'user suspend':
    case 'user unsuspend': {
      const isSuspended = input.command === 'user suspend';
      const done = `${input.username} is ${isSuspended ? 'suspended and signed out everywhere' : 'no longer suspended'}.`;
      return suspendPerson(deps, input.username, isSuspended).then(() => said(done));
    }
    case 'user reset-password':
      return resetLink(deps, input.username);
    case 'user role':
      return setInstanceRole(deps, input.username, input.role).then(() =>
        said(`${input.username} is ${input.role}.`),
      );
    case 'invite create':
      return makeInvite(deps, input);
    case 'invite list':
      return showInvites(deps, input.community);
    case 'invite revoke':
      return endInvite(deps, input.code);
    case 'verify':
      return verify(deps);
  }
}

/** Carries out one command. @throws CommandError when it cannot be, in words */
export async function runCommand(deps: Deps, input: Command): Promise<CommandResult> {
  try {
    return await perform(deps, input);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    const { payload } = cause;
    if (payload.code === 'not_found') throw new CommandError('There is nobody of that name.');
    if (payload.code === 'forbidden' && payload.reason === 'owner')
      throw new CommandError('The owner of the instance can be neither suspended nor given another role.');
    if (payload.code === 'limit_reached')
      throw new CommandError(`The limit is reached: ${payload.limit}, ${payload.max}.`);
    throw new CommandError(`The server refuses: ${payload.code}.`);
  }
}
