// What one HTTP request or socket upgrade says about its sender. Headers of proxies count only as far as
// TRUST_PROXY allows.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { clientAddress } from './platform/address.ts';
import type { Env } from './platform/env.ts';
import type { RequestInfo } from './context.ts';

const forwardingHeaders = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'cf-connecting-ip', 'via'] as const;

const isLoopbackAddress = (address: string): boolean => address === '::1' || /^(::ffff:)?127\./.test(address);

const localHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1', '[::1]']);

/** Whether a host name (without port) means this machine to a browser on it. */
export const isLocalHost = (hostname: string): boolean => localHosts.has(hostname);

/** This machine talking to itself, with no proxy in between. */
function isDirectLoopback(remoteAddress: string, headers: IncomingHttpHeaders): boolean {
  return isLoopbackAddress(remoteAddress) && forwardingHeaders.every((name) => headers[name] === undefined);
}

function parseCookies(header: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const part of (header ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0) cookies.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  return cookies;
}

/** Reads a request; `id` is the request id that errors and logs carry. */
export function describeRequest(
  message: IncomingMessage,
  env: Pick<Env, 'trustProxy'>,
  id: string,
): Omit<RequestInfo, 'setCookie'> {
  const { headers } = message;
  const remoteAddress = message.socket.remoteAddress ?? '';
  return {
    id,
    address: clientAddress({ remoteAddress, headers }, env.trustProxy),
    userAgent: headers['user-agent'] ?? '',
    isLoopback: isDirectLoopback(remoteAddress, headers),
    origin: headers.origin,
    headers,
    cookies: parseCookies(headers.cookie),
  };
}
