// Open sockets of this node by session. A socket lives by its session row: revoked, it is closed at once; every
// minute the rows are read again, whatever was heard. The limits per account and device are each node's own.
import type { WebSocket } from 'ws';
import { CLOSE_REVOKED, CLOSE_RESTART } from './platform/live-hub.ts';
import { AppError } from '#shared/errors.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { ActiveSession } from './domains/sessions/sessions.service.ts';
import type { Actor } from './deps.ts';

/** One authenticated socket; its actor changes when the session attaches a device. */
export interface OpenSocket {
  readonly socket: WebSocket;
  actor: Actor;
}

export class SocketRegistry {
  readonly #bySession = new Map<SessionId, Set<OpenSocket>>();
  readonly #byAccount = new Map<AccountId, Set<OpenSocket>>();
  onBound: ((sessionId: SessionId) => void) | null = null;

  /** Takes a socket in until it closes. Throws `limit_reached` over 32 per account or 8 per device. */
  admit(socket: WebSocket, actor: Actor): OpenSocket {
    const own = [...(this.#byAccount.get(actor.accountId) ?? [])];
    if (own.length >= limits.socketsPerAccount) throw limitReached('socketsPerAccount');
    const endpoint = actor.deviceId ?? actor.sessionId;
    const same = own.filter((open) => (open.actor.deviceId ?? open.actor.sessionId) === endpoint);
    if (same.length >= limits.socketsPerDevice) throw limitReached('socketsPerDevice');
    const open: OpenSocket = { socket, actor };
    addTo(this.#bySession, actor.sessionId, open);
    addTo(this.#byAccount, actor.accountId, open);
    socket.once('close', () => {
      removeFrom(this.#bySession, actor.sessionId, open);
      removeFrom(this.#byAccount, actor.accountId, open);
    });
    return open;
  }

  get size(): number {
    let count = 0;
    for (const sockets of this.#bySession.values()) count += sockets.size;
    return count;
  }

  sessionIds(): SessionId[] {
    return [...this.#bySession.keys()];
  }

  /** Every socket of this session acts for the device from now on; `onBound` tells other nodes. */
  bindDevice(sessionId: SessionId, deviceId: DeviceId): void {
    this.#bind(sessionId, deviceId);
    this.onBound?.(sessionId);
  }

  #bind(sessionId: SessionId, deviceId: DeviceId): void {
    for (const open of this.#bySession.get(sessionId) ?? []) open.actor = { ...open.actor, deviceId };
  }

  closeSession(sessionId: SessionId): void {
    closeAll(this.#bySession.get(sessionId), CLOSE_REVOKED, 'revoked');
  }

  closeAccount(accountId: AccountId): void {
    closeAll(this.#byAccount.get(accountId), CLOSE_REVOKED, 'revoked');
  }

  closeDevice(deviceId: DeviceId): void {
    for (const sockets of this.#bySession.values()) {
      const bound = [...sockets].filter((open) => open.actor.deviceId === deviceId);
      closeAll(bound, CLOSE_REVOKED, 'revoked');
    }
  }

  /** Closes everything resumably: the server restarts. */
  closeForRestart(): void {
    for (const sockets of this.#bySession.values()) closeAll(sockets, CLOSE_RESTART, 'restart');
  }

  /** Closes sockets whose session is no longer among `active`, and takes over newly attached devices. */
  reconcile(active: readonly ActiveSession[], asked: readonly SessionId[]): void {
    const rows = new Map(active.map((row) => [row.sessionId, row]));
    for (const sessionId of asked) {
      const row = rows.get(sessionId);
      if (!row) this.closeSession(sessionId);
      else if (row.deviceId) this.#bind(sessionId, row.deviceId);
    }
  }
}

const limitReached = (limit: 'socketsPerAccount' | 'socketsPerDevice'): AppError =>
  new AppError({ code: 'limit_reached', limit, max: limits[limit] });

function addTo<K>(map: Map<K, Set<OpenSocket>>, key: K, open: OpenSocket): void {
  const set = map.get(key);
  if (set) set.add(open);
  else map.set(key, new Set([open]));
}

function removeFrom<K>(map: Map<K, Set<OpenSocket>>, key: K, open: OpenSocket): void {
  const set = map.get(key);
  if (!set) return;
  set.delete(open);
  if (set.size === 0) map.delete(key);
}

function closeAll(sockets: Iterable<OpenSocket> | undefined, code: number, reason: string): void {
  for (const open of [...(sockets ?? [])]) open.socket.close(code, reason);
}
