// The only way to raise a toast. Toaster.svelte, placed once, shows them: at most three, six seconds each; errors stay.
import { writable, type Readable } from 'svelte/store';
import type { ToastInput } from './toast-types.ts';

export interface ToastEntry extends ToastInput {
  id: string;
}

const MAX_SHOWN = 3;
const queue = writable<readonly ToastEntry[]>([]);
let counter = 0;

/** What is shown now, oldest first. */
export const toasts: Readable<readonly ToastEntry[]> = queue;

/** Shows a toast and answers its id; a fourth one pushes the oldest out. */
export function notify(input: ToastInput): string {
  counter += 1;
  const id = `toast-${counter}`;
  queue.update((shown) => [...shown, { ...input, id }].slice(-MAX_SHOWN));
  return id;
}

/** Takes a toast away; unknown ids are ignored. */
export function dismissToast(id: string): void {
  queue.update((shown) => shown.filter((entry) => entry.id !== id));
}
