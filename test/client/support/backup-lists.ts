// The lists of one account's backup in memory, closed ones included, as engine tests pull from and push to them.
import { expect } from 'vitest';
import type { BackupRotation, BackupStep } from '#client/crypto/protocol.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { Person } from './exchange.ts';

/** The lists of one account as the server keeps them, by version. */
export class Lists {
  readonly all = new Map<number, string[]>();
  status: BackupStatus = { version: 0, count: 0, manifest: null };

  get newest(): string[] {
    return this.all.get(this.status.version) ?? [];
  }

  async push(person: Person, now: number): Promise<void> {
    for (let append; (append = await person.engine.nextBackup({ now }));) {
      const { version, entries, manifest } = append;
      const list = this.all.get(version) ?? [];
      expect([append.expectedCount, version]).toEqual([list.length, this.status.version || 1]);
      this.all.set(version, [...list, ...entries]);
      this.status = { version, count: list.length + entries.length, manifest };
      await person.engine.backupStored({ count: this.status.count });
    }
  }

  /** Vault and list, as the server takes them together. */
  rotate({ version, closedCount, entries, manifest }: BackupRotation): void {
    expect([closedCount, version]).toEqual([this.newest.length, (this.status.version || 1) + 1]);
    this.all.set(version, [...entries]);
    this.status = { version, count: entries.length, manifest };
  }

  /** Pulls as a client does, a few entries a page; `changed` stands between. */
  async pull(
    person: Person,
    changed: (page: BackupPage, version: number) => BackupPage = (page) => page,
  ): Promise<BackupStep> {
    let step = await person.engine.compareBackup({ status: this.status });
    while (step.state === 'behind') {
      const { version, to } = step;
      const from = Math.max(step.from, to - 3);
      const entries = (this.all.get(version) ?? []).slice(from, to);
      step = await person.engine.takeBackup({ page: changed({ from, entries }, version) });
    }
    return step;
  }
}
