// Keyboard helpers for lists: one tab stop per list, arrows inside (roving focus), and long press for touch.
import type { Attachment } from 'svelte/attachments';

export interface RovingOptions {
  /** Which descendants are the stops, e.g. `[data-row]`. */
  selector: string;
  orientation?: 'vertical' | 'horizontal' | 'grid';
  /** Grid only: how many stops one row has. */
  columns?: number;
}

/** How far a key moves in the list; `first` and `last` jump; null when the key is not ours. */
function stepOf(key: string, options: RovingOptions, rtl: boolean): number | 'first' | 'last' | null {
  const orientation = options.orientation ?? 'vertical';
  const forward = rtl ? 'ArrowLeft' : 'ArrowRight';
  const backward = rtl ? 'ArrowRight' : 'ArrowLeft';
  if (key === 'Home') return 'first';
  if (key === 'End') return 'last';
  if (orientation !== 'horizontal') {
    const row = orientation === 'grid' ? (options.columns ?? 1) : 1;
    if (key === 'ArrowDown') return row;
    if (key === 'ArrowUp') return -row;
  }
  if (orientation !== 'vertical') {
    if (key === forward) return 1;
    if (key === backward) return -1;
  }
  return null;
}

/**
 * Roving focus: only one stop of the list takes part in the tab order (the current one, else the first),
 * arrows, Home and End move between stops. Put it on the list element; rows may come and go.
 */
export function roving(options: RovingOptions): Attachment {
  return (node) => {
    const stops = (): HTMLElement[] => [...node.querySelectorAll<HTMLElement>(options.selector)];
    let current: HTMLElement | null = null;

    function refresh(): void {
      const all = stops();
      if (!current || !all.includes(current)) {
        current = all.find((stop) => stop.getAttribute('aria-current') !== null) ?? all[0] ?? null;
      }
      for (const stop of all) {
        const wanted = stop === current ? '0' : '-1';
        // Writing an equal value would wake the observer again.
        if (stop.getAttribute('tabindex') !== wanted) stop.setAttribute('tabindex', wanted);
      }
    }

    function onFocus(event: Event): void {
      const stop = (event.target as HTMLElement).closest<HTMLElement>(options.selector);
      if (!stop || !node.contains(stop)) return;
      current = stop;
      refresh();
    }

    function onKey(event: Event): void {
      const key = event as KeyboardEvent;
      if (key.altKey || key.ctrlKey || key.metaKey || key.shiftKey) return;
      const all = stops();
      const at = all.indexOf(event.target as HTMLElement);
      if (at < 0) return;
      const step = stepOf(key.key, options, getComputedStyle(node).direction === 'rtl');
      if (step === null) return;
      key.preventDefault();
      const to = step === 'first' ? 0 : step === 'last' ? all.length - 1 : at + step;
      all[Math.min(all.length - 1, Math.max(0, to))]?.focus();
    }

    const observer = new MutationObserver(refresh);
    observer.observe(node, {
      childList: true,
      subtree: true,
      attributes: true,
      attributeFilter: ['aria-current'],
    });
    node.addEventListener('focusin', onFocus);
    node.addEventListener('keydown', onKey);
    refresh();
    return () => {
      observer.disconnect();
      node.removeEventListener('focusin', onFocus);
      node.removeEventListener('keydown', onKey);
    };
  };
}

const LONG_PRESS_MS = 450;
const MOVE_TOLERANCE_PX = 10;

/** Calls `run` after a finger rested on the element; scrolling or lifting cancels it. */
export function longPress(run: () => void): Attachment {
  return (node) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let startX = 0;
    let startY = 0;
    const cancel = (): void => clearTimeout(timer);

    function onDown(event: Event): void {
      const pointer = event as PointerEvent;
      if (pointer.pointerType !== 'touch') return;
      startX = pointer.clientX;
      startY = pointer.clientY;
      cancel();
      timer = setTimeout(run, LONG_PRESS_MS);
    }
    function onMove(event: Event): void {
      const pointer = event as PointerEvent;
      const moved = Math.hypot(pointer.clientX - startX, pointer.clientY - startY);
      if (moved > MOVE_TOLERANCE_PX) cancel();
    }

    node.addEventListener('pointerdown', onDown);
    node.addEventListener('pointermove', onMove);
    for (const end of ['pointerup', 'pointercancel', 'pointerleave']) node.addEventListener(end, cancel);
    return () => {
      cancel();
      node.removeEventListener('pointerdown', onDown);
      node.removeEventListener('pointermove', onMove);
      for (const end of ['pointerup', 'pointercancel', 'pointerleave']) node.removeEventListener(end, cancel);
    };
  };
}
