// The access token of this tab: in memory only, renewed shortly before it runs out, one renewal at a time across tabs.
import { createHttpApi, type Api } from '#client/api/trpc.ts';
import type { SessionGrant } from '#shared/auth.ts';
import { limits } from '#shared/limits.ts';

const RENEW_BEFORE_MS = 60_000;

export class Tokens {
  readonly #http: Api;
  #grant: SessionGrant | null = null;
  /** When it came, by the local clock. How long ago that is says more than a date of the server's: clocks differ. */
  #takenAt = 0;

  constructor() {
    this.#http = createHttpApi(() => this.current());
  }

  /** HTTP client that carries the current token. */
  get http(): Api {
    return this.#http;
  }

  current(): string | null {
    return this.#grant?.accessToken ?? null;
  }

  take(grant: SessionGrant): void {
    this.#grant = grant;
    this.#takenAt = Date.now();
  }

  drop(): void {
    this.#grant = null;
  }

  /** A token that lasts a while yet. Rejects with the server's failure when the session is gone. */
  async valid(): Promise<string> {
    const age = Date.now() - this.#takenAt;
    if (this.#grant && age >= 0 && age < limits.accessTokenMs - RENEW_BEFORE_MS)
      return this.#grant.accessToken;
    return (await this.renew()).accessToken;
  }

  /** A fresh grant by the refresh cookie; parallel tabs take turns. */
  async renew(): Promise<SessionGrant> {
    const grant = await navigator.locks.request('chatalot-refresh', () =>
      createHttpApi(() => null).auth.refresh.mutate(),
    );
    this.take(grant);
    return grant;
  }
}
