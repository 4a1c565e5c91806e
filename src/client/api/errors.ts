// One place where failures of calls become typed payloads.
import { TRPCClientError } from '@trpc/client';
import type { AppErrorPayload } from '#shared/errors.ts';

/** A failure without an answer: the network, a closed socket, a time-out. */
export type CallFailure = AppErrorPayload | { readonly code: 'unreachable' };

interface ErrorData {
  readonly app?: AppErrorPayload;
}

/** What went wrong with a call. Anything that is not an answer of the server is `unreachable`. */
export function failureOf(error: unknown): CallFailure {
  if (error instanceof TRPCClientError) {
    const data = error.data as ErrorData | null | undefined;
    if (data?.app) return data.app;
  }
  return { code: 'unreachable' };
}

/** Whether the server itself said that the token or its session is good no more (not: that it could not be reached). */
export function isSessionRefused(error: unknown): boolean {
  const { code } = failureOf(error);
  return code === 'unauthenticated' || code === 'session_revoked';
}
