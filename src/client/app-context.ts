// How pages reach the app's state.
import { createContext } from 'svelte';
import type { AppState } from './app-state.svelte.ts';

/** `getApp` in any page; `setApp` once, in App.svelte. */
export const [getApp, setApp] = createContext<AppState>();
