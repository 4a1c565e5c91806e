// The only way to raise a toast. At most three are shown; they leave after six seconds, errors stay until closed.
import { toast } from 'svelte-sonner';
import ToastCard from './ToastCard.svelte';
import type { ToastInput } from './toast-types.ts';

const SHOWN_MS = 6000;
let counter = 0;

/** Shows a toast and answers its id. */
export function notify(input: ToastInput): string {
  counter += 1;
  const id = `toast-${counter}`;
  toast.custom(ToastCard, {
    id,
    duration: input.tone === 'error' ? Infinity : SHOWN_MS,
    componentProps: { ...input, onclose: () => dismissToast(id) },
  });
  return id;
}

/** Takes a toast away; unknown ids are ignored. */
export function dismissToast(id: string): void {
  toast.dismiss(id);
}
