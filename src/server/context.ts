// What every procedure receives. Built once per HTTP call and once per socket; a socket's actor may change
// (its session attaches a device), so procedures read it anew at each call.
import type { WebSocket } from 'ws';
import type { Socket } from 'node:net';
import type { LiveForm } from './platform/live-frames.ts';
import type { LiveHub } from './platform/live-hub.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { DeviceId } from '#shared/ids.ts';
import type { Calls } from './calls.ts';
import type { Actor, Deps } from './deps.ts';
import type { ConnectionData } from './topics.ts';

export interface CookieOptions {
  /** Seconds; 0 removes the cookie. */
  readonly maxAge: number;
}

export interface RequestInfo {
  readonly id: string;
  /** The client's address; behind proxies only as far as TRUST_PROXY says. */
  readonly address: string;
  readonly userAgent: string;
  /** Straight from this machine: loopback peer, no forwarding headers. */
  readonly isLoopback: boolean;
  readonly origin: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly cookies: ReadonlyMap<string, string>;
  /** Absent on sockets: a frame cannot set cookies. */
  readonly setCookie?: (name: string, value: string, options: CookieOptions) => void;
}

/** The live connection a call came in on. */
export interface SocketInfo {
  readonly socket: WebSocket;
  readonly stream: Socket;
  readonly hub: LiveHub<LiveEvent, ConnectionData>;
  /** How the client wants live events. */
  readonly form: LiveForm;
  /** In flight now; bounded by trpc.ts. */
  operations: number;
  subscriptions: number;
}

/** Why there is no actor: a client that was signed out must be told so, not merely "sign in". */
export type AuthFailure = 'unauthenticated' | 'session_revoked';

export interface Context {
  readonly deps: Deps;
  readonly actor: Actor | null;
  readonly authFailure: AuthFailure;
  readonly request: RequestInfo;
  readonly socket?: SocketInfo;
  readonly calls: Calls;
  /** Every open socket of this session acts for the device from now on. */
  bindDevice(deviceId: DeviceId): void;
}
