// The state of the backup in words: what is safe, what waits, or why the server's copy is not taken.
import type { BackupRefusal, BackupView } from '#client/crypto/protocol.ts';
import { t } from '#client/lib/i18n.ts';

export interface BackupWords {
  readonly tone: 'ok' | 'plain' | 'warn' | 'danger';
  readonly text: string;
}

function refusalWords({ reason, expected, got }: BackupRefusal): string {
  switch (reason) {
    case 'old':
      return t('backup.old', { expected, got });
    case 'changed':
      return t('backup.changed', { expected, got });
    case 'forked':
      return t('backup.forked');
    case 'other_key':
      return t('backup.otherKey');
  }
}

/** Null before the first look. */
export function backupWords(view: BackupView | null): BackupWords | null {
  if (!view) return null;
  // A key that is on its way is no danger; a list that is not the right one is.
  if (view.refusal) {
    const tone = view.refusal.reason === 'other_key' ? 'warn' : 'danger';
    return { tone, text: refusalWords(view.refusal) };
  }
  if (view.isRestoring) return { tone: 'plain', text: t('backup.restoring') };
  if (view.waiting > 0) return { tone: 'plain', text: t('backup.waiting', { count: view.waiting }) };
  return { tone: 'ok', text: t('backup.done') };
}
