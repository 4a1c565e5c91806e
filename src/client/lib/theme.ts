// Light or dark: one attribute on <html>. Absent means "follow the system"; tokens.css does the rest.
export type ThemeMode = 'system' | 'light' | 'dark';

const STORAGE_KEY = 'chatalot.mode';

function storedMode(): ThemeMode {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  } catch {
    return 'system';
  }
}

function apply(mode: ThemeMode): void {
  if (mode === 'system') delete document.documentElement.dataset['mode'];
  else document.documentElement.dataset['mode'] = mode;
}

/** Applies what this browser chose earlier. Call before the first render. */
export function initTheme(): void {
  apply(storedMode());
}

/** What this browser chose; `system` when nothing was chosen. */
export const themeMode = (): ThemeMode => storedMode();

/** Applies `mode` at once and remembers it for this browser. */
export function setThemeMode(mode: ThemeMode): void {
  apply(mode);
  try {
    if (mode === 'system') localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, mode);
  } catch {
    // Storage can be refused (private windows): the choice then lasts until the tab closes.
  }
}
