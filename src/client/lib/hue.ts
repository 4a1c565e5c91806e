import type { Attachment } from 'svelte/attachments';

/** A person's hue, 0–359, stable for one account id everywhere (look.md §2). FNV-1a over the id's characters. */
export function hueOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) {
    hash ^= id.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % 360;
}

/** Gives an element with class `hue` the colours of `id`. Through the CSSOM: the policy forbids style attributes. */
export const personHue =
  (id: string): Attachment<HTMLElement> =>
  (node) => {
    node.style.setProperty('--name-h', String(hueOf(id)));
  };
