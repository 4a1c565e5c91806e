// What outlives pages: the session and the way from page to page. One per tab.
import type { CryptoClient } from '#client/crypto/crypto-client.ts';
import { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import { Session } from '#client/features/session/session.svelte.ts';

/** The address bar, as pages see it. Links are plain `<a href>`; the router takes them over. */
export interface Navigation {
  readonly pathname: string;
  /** Without `#`. */
  readonly hash: string;
  readonly params: {
    readonly communityId?: string | undefined;
    readonly channelId?: string | undefined;
    readonly code?: string | undefined;
    readonly section?: string | undefined;
  };
  go(path: string, options?: { readonly replace?: boolean }): void;
  /** Goes on to where a person without a session wanted to go, else to the start. */
  goOn(): void;
}

export class AppState {
  readonly session: Session;
  readonly navigation: Navigation;
  readonly reauthentication = new Reauthentication();

  constructor(crypto: CryptoClient, navigationFor: (session: Session) => Navigation) {
    this.session = new Session(crypto);
    this.navigation = navigationFor(this.session);
  }
}
