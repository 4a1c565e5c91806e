// Boot: theme, the crypto worker's door, the session of the last visit, then the app.
import './styles/app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { AppState } from './app-state.svelte.ts';
import { openCrypto } from './crypto/crypto-client.ts';
import { t } from './lib/i18n.ts';
import { initTheme } from './lib/theme.ts';
import { createNavigation } from './routes.ts';
import { notify } from './ui/toast.ts';

/** Browsers withhold WebCrypto, Web Locks and workers' secrets from pages that came over plain http. */
const canEncrypt = (): boolean => isSecureContext && 'subtle' in crypto && 'locks' in navigator;

/** A page's script is gone: the server runs a newer build. Reloading is the person's choice, a draft may be open. */
function offerReload(): void {
  const action = { label: t('common.reload'), run: () => location.reload() };
  notify({ title: t('connection.updateTitle'), text: t('connection.updateText'), action });
}

function boot(target: HTMLElement): void {
  initTheme();
  addEventListener('vite:preloadError', offerReload);
  const app = canEncrypt() ? new AppState(openCrypto(), createNavigation) : null;
  mount(App, { target, props: { app } });
  void app?.session.start();
}

const target = document.getElementById('app');
if (target) boot(target);
