export type ToastTone = 'info' | 'ok' | 'warn' | 'error';

export interface ToastInput {
  tone?: ToastTone;
  /** What happened, in a few words. */
  title: string;
  /** What follows from it or what to do. */
  text?: string;
  action?: { label: string; run: () => void };
}
