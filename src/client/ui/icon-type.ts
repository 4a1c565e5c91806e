import type { Component } from 'svelte';

/** Any icon of `@lucide/svelte/icons/<name>`. */
export type IconComponent = Component<{
  size?: number | string;
  strokeWidth?: number | string;
  class?: string;
  'aria-hidden'?: 'true';
}>;
