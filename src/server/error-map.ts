// The one mapping from causes to typed errors, and from typed errors to tRPC codes.
import type { TRPCError } from '@trpc/server';
import * as z from 'zod/mini';
import { sqlStateOf } from './platform/db-errors.ts';
import { AppError, type AppErrorCode, type AppErrorPayload, type InputIssue } from '#shared/errors.ts';

const codes = {
  bad_input: 'BAD_REQUEST',
  unauthenticated: 'UNAUTHORIZED',
  session_revoked: 'UNAUTHORIZED',
  device_required: 'PRECONDITION_FAILED',
  bad_credentials: 'UNAUTHORIZED',
  second_factor_required: 'UNAUTHORIZED',
  bad_second_factor: 'UNAUTHORIZED',
  reauthentication_required: 'FORBIDDEN',
  locked_out: 'TOO_MANY_REQUESTS',
  rate_limited: 'TOO_MANY_REQUESTS',
  setup_required: 'PRECONDITION_FAILED',
  setup_done: 'CONFLICT',
  bad_setup_token: 'FORBIDDEN',
  registration_closed: 'FORBIDDEN',
  invite_required: 'FORBIDDEN',
  invite_invalid: 'NOT_FOUND',
  reset_invalid: 'NOT_FOUND',
  taken: 'CONFLICT',
  not_found: 'NOT_FOUND',
  forbidden: 'FORBIDDEN',
  conflict: 'CONFLICT',
  bad_proof: 'BAD_REQUEST',
  limit_reached: 'BAD_REQUEST',
  too_large: 'PAYLOAD_TOO_LARGE',
  slow_mode: 'TOO_MANY_REQUESTS',
  stale_epoch: 'CONFLICT',
  stale_devices: 'CONFLICT',
  mailbox_full: 'CONFLICT',
  disk_low: 'INTERNAL_SERVER_ERROR',
  draining: 'SERVICE_UNAVAILABLE',
  internal: 'INTERNAL_SERVER_ERROR',
} as const satisfies Record<AppErrorCode, TRPCError['code']>;

export const trpcCodeOf = (payload: AppErrorPayload): TRPCError['code'] => codes[payload.code];

const shownIssues = 20;

function issuesOf(error: z.core.$ZodError): InputIssue[] {
  return error.issues.slice(0, shownIssues).map((issue) => ({
    path: issue.path.map(String).join('.').slice(0, 200),
    message: issue.message.slice(0, 200),
  }));
}

/** A value no column can hold (SQLSTATE class 22): NUL in text, a number or a time beyond its type. */
const isDataException = (cause: unknown): boolean => sqlStateOf(cause)?.startsWith('22') ?? false;

/** The database could not write because its disk is full (SQLSTATE 53100); what it acknowledged before stays. */
const isDiskFull = (cause: unknown): boolean => sqlStateOf(cause) === '53100';

/** The typed payload behind a tRPC error; null when the cause is unknown to us. */
export function appErrorOf(error: TRPCError): AppErrorPayload | null {
  const { cause } = error;
  if (cause instanceof AppError) return cause.payload;
  if (cause instanceof z.core.$ZodError) return { code: 'bad_input', issues: issuesOf(cause) };
  if (isDataException(cause)) return { code: 'bad_input', issues: [] };
  if (isDiskFull(cause)) return { code: 'disk_low' };
  switch (error.code) {
    case 'PARSE_ERROR':
    case 'BAD_REQUEST':
    case 'METHOD_NOT_SUPPORTED':
    case 'UNSUPPORTED_MEDIA_TYPE':
    case 'UNPROCESSABLE_CONTENT':
      return { code: 'bad_input', issues: [] };
    case 'NOT_FOUND':
      return { code: 'not_found' };
    default:
      return null;
  }
}
