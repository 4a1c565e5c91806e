// Which page belongs to which address, and who may see it. Guards look at the session when an address is opened; what
// happens to the session later is App.svelte's business.
import { createRouter, type Hooks } from 'sv-router';
import { paths } from '#client/lib/paths.ts';
import type { Navigation } from './app-state.svelte.ts';
import type { Session } from './features/session/session.svelte.ts';
import NotFoundPage from './pages/NotFoundPage.svelte';

type Go = (path: string) => Promise<Error>;

/** Addresses that need no session. */
export const isPublicPath = (path: string): boolean =>
  /^\/(setup|login|register|recover|reset|link|invite\/[^/]+)\/?$/.test(path);

/** Keeps the path a signed-out person asked for until there is a session. */
class Intended {
  #path: string | null = null;

  keep(path: string): void {
    this.#path = path;
  }

  take(): string {
    const path = this.#path ?? paths.start;
    this.#path = null;
    return path;
  }
}

function guards(session: Session, intended: Intended, go: Go): Record<'setup' | 'entry' | 'own', Hooks> {
  const isNew = (): boolean => session.instance !== null && session.instance.setup !== 'done';
  return {
    // An owner may still be in the middle of it; the page tells.
    setup: {},
    entry: {
      async beforeLoad() {
        if (isNew()) throw await go(paths.setup);
        if (session.status === 'signed-in') throw await go(paths.start);
      },
    },
    own: {
      async beforeLoad({ pathname }) {
        if (isNew()) throw await go(paths.setup);
        if (session.status === 'signed-in') return;
        intended.keep(pathname);
        throw await go(paths.login);
      },
    },
  };
}

/** The router of this tab. Call once. */
export function createNavigation(session: Session): Navigation {
  const intended = new Intended();
  const replace = (path: string): Promise<Error> => router.navigate(path as '/', { replace: true });
  const { entry, own, setup } = guards(session, intended, replace);
  const chat = () => import('./pages/ConversationRoute.svelte');
  const router = createRouter({
    '/': { '/': () => import('./pages/StartPage.svelte'), hooks: own },
    '/setup': { '/': () => import('./pages/SetupPage.svelte'), hooks: setup },
    '/login': { '/': () => import('./pages/LoginPage.svelte'), hooks: entry },
    '/register': { '/': () => import('./pages/RegisterPage.svelte'), hooks: entry },
    '/link': { '/': () => import('./pages/LinkPage.svelte'), hooks: entry },
    '/reset': { '/': () => import('./pages/ResetPage.svelte'), hooks: entry },
    '/recover': { '/': () => import('./pages/RecoverPage.svelte'), hooks: entry },
    '/invite': { '/:code': () => import('./pages/InvitePage.svelte') },
    '/c': { '/:communityId': chat, '/:communityId/:channelId': chat, hooks: own },
    '/dm': { '/': chat, '/:channelId': chat, hooks: own },
    '/settings': {
      '/': () => import('./pages/SettingsPage.svelte'),
      '/:section': () => import('./pages/SettingsPage.svelte'),
      hooks: own,
    },
    '*': NotFoundPage,
  });
  const { route } = router;
  const go: Navigation['go'] = (path, options) => void router.navigate(path as '/', options);
  return {
    get pathname() {
      return route.pathname;
    },
    get hash() {
      return route.hash.replace(/^#/, '');
    },
    get params() {
      return route.params;
    },
    go,
    goOn: () => go(intended.take(), { replace: true }),
  };
}
