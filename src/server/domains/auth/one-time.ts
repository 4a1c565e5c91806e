// One-time tickets without state: random bytes and a time under a MAC, bound to what they are for. Issuing one costs
// the database nothing, whoever asks; what was used is kept until it would have expired anyway.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { limits } from '#shared/limits.ts';
import { spendTicket } from './factors.queries.ts';

const RANDOM_BYTES = 16;
const BODY_BYTES = 24;

/** What a ticket is good for, and for whom. */
export interface TicketUse {
  readonly purpose: 'passkey-login' | 'passkey-add' | 'second-factor';
  /** Account or session; empty for challenges anybody may ask for. */
  readonly subject: string;
}

function macOf(deps: Deps, use: TicketUse, body: Uint8Array): Buffer {
  const mac = createHmac('sha256', deps.secrets.kdfFakeKey);
  return mac.update(`one-time/${use.purpose}/${use.subject}/`).update(body).digest();
}

/** A ticket for `limits.ticketMs` (56 bytes). */
export function issueTicket(deps: Deps, use: TicketUse): Uint8Array<ArrayBuffer> {
  const body = Buffer.alloc(BODY_BYTES);
  randomBytes(RANDOM_BYTES).copy(body);
  body.writeBigUInt64BE(BigInt(deps.clock.now() + limits.ticketMs), RANDOM_BYTES);
  return Uint8Array.from(Buffer.concat([body, macOf(deps, use, body)]));
}

/** Whether the ticket is ours, for this use, and not expired. It may be used already: `useTicket` tells. */
export function isTicket(deps: Deps, use: TicketUse, ticket: Uint8Array): boolean {
  const body = Buffer.from(ticket.subarray(0, BODY_BYTES));
  const mac = ticket.subarray(BODY_BYTES);
  const expected = macOf(deps, use, body);
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return false;
  return Number(body.readBigUInt64BE(RANDOM_BYTES)) > deps.clock.now();
}

/** Spends a ticket in the caller's transaction; false when it is none or was used before. */
export async function useTicket(
  tx: Queryable,
  deps: Deps,
  given: TicketUse & { readonly ticket: Uint8Array },
): Promise<boolean> {
  const { ticket } = given;
  if (!isTicket(deps, given, ticket)) return false;
  const now = deps.clock.now();
  const hash = new Uint8Array(createHash('sha256').update(ticket).digest());
  return spendTicket(tx, { hash, now: new Date(now), expiresAt: new Date(now + limits.ticketMs) });
}
