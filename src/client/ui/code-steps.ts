import type { ShownCode } from '#client/lib/shown-code.svelte.ts';

/** A form that hands out a new recovery code: shown once, then four of its groups typed back, then it counts. */
export interface CodeSteps {
  readonly shown: ShownCode;
  readonly isFinishing: boolean;
  /** To what came before the code; nothing happened yet. */
  back(): void;
  finish(): Promise<void>;
}
