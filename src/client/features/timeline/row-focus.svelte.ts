// Roving focus over a virtualised list: one message is the tab stop (the newest until another was focused), arrows
// move, and the focused row stays mounted however far it is scrolled away.
import { tick } from 'svelte';
import type { TimelineItem } from './timeline-items.ts';

const FRAMES = 20;

export interface RowFocusOptions {
  readonly items: () => readonly TimelineItem[];
  readonly scroller: () => HTMLElement | undefined;
  /** Brings the item into view. */
  readonly show: (index: number) => void;
}

export class RowFocus {
  readonly #options: RowFocusOptions;
  #key = $state<string | null>(null);
  readonly #last = $derived.by(
    () => this.#options.items().findLast((item) => item.kind === 'message')?.key ?? null,
  );
  readonly #kept = $derived.by(() => {
    const index = this.#key === null ? -1 : this.#options.items().findIndex((item) => item.key === this.#key);
    return index < 0 ? [] : [index];
  });

  constructor(options: RowFocusOptions) {
    this.#options = options;
  }

  get kept(): readonly number[] {
    return this.#kept;
  }

  isStop(key: string): boolean {
    return this.#kept.length > 0 ? key === this.#key : key === this.#last;
  }

  take(key: string): void {
    this.#key = key;
  }

  readonly onkeydown = (event: KeyboardEvent): void => {
    const { altKey, ctrlKey, metaKey, shiftKey, key } = event;
    const isRow = event.target instanceof HTMLElement && event.target.matches('[data-message]');
    if (!isRow || altKey || ctrlKey || metaKey || shiftKey) return;
    const to = this.#targetOf(key, event.target.getAttribute('data-message'));
    if (to === null) return;
    event.preventDefault();
    void this.#move(to);
  };

  #targetOf(key: string, from: string | null): number | null {
    const items = this.#options.items();
    const at = items.findIndex((item) => item.key === from);
    const isMessage = (item: TimelineItem | undefined): boolean => item?.kind === 'message';
    if (key === 'End') return items.findLastIndex(isMessage);
    if (key === 'Home') return items.findIndex(isMessage);
    const step = key === 'ArrowUp' ? -1 : key === 'ArrowDown' ? 1 : 0;
    if (step === 0) return null;
    for (let to = at + step; to >= 0 && to < items.length; to += step) if (isMessage(items[to])) return to;
    return null;
  }

  async #move(index: number): Promise<void> {
    const item = this.#options.items()[index];
    if (!item) return;
    this.#key = item.key;
    this.#options.show(index);
    await tick();
    // A row just mounted cannot take the focus before it was measured.
    for (let frame = 0; frame < FRAMES && !this.#focus(item.key); frame++) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }

  #focus(key: string): boolean {
    const scroller = this.#options.scroller();
    const row = scroller?.querySelector<HTMLElement>(`[data-message="${CSS.escape(key)}"]`);
    row?.focus({ preventScroll: true });
    return row !== undefined && row !== null && document.activeElement === row;
  }
}
