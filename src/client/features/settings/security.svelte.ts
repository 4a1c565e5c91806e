// What protects the account besides its password, and every change of it. Changes ask for fresh proof of the person
// where the server wants it (reauthentication.svelte.ts).
import type { EntryFailure } from '#client/features/session/entry-failure.ts';
import { EntryWork } from '#client/features/session/entry-work.svelte.ts';
import { makePasskey } from '#client/features/session/passkeys.ts';
import type { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import { deviceLabel } from '#client/lib/device-label.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { FactorStatus, PasskeySummary, TotpOffer } from '#shared/second-factor.ts';

/** A change that is confirmed with a code. */
export type CodeChange = 'off' | 'renew';

export class Security {
  readonly #workspace: Workspace;
  readonly #reauthentication: Reauthentication;
  readonly #work = new EntryWork();
  #status = $state.raw<FactorStatus | null>(null);
  #offer = $state.raw<TotpOffer | null>(null);
  #codes = $state.raw<readonly string[] | null>(null);

  constructor(workspace: Workspace, reauthentication: Reauthentication) {
    this.#workspace = workspace;
    this.#reauthentication = reauthentication;
  }

  /** Null until loaded. */
  get status(): FactorStatus | null {
    return this.#status;
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
  }

  /** The secret being shown; two-step log-in is not on yet. */
  get offer(): TotpOffer | null {
    return this.#offer;
  }

  /** New backup codes being shown, for the only time. */
  get codes(): readonly string[] | null {
    return this.#codes;
  }

  get isBusy(): boolean {
    return this.#work.isBusy;
  }

  async load(): Promise<void> {
    await this.#try(() => this.#read());
  }

  /** Shows a secret; nothing changes before `enable`. */
  async begin(): Promise<void> {
    await this.#try(async () => {
      const { factors } = this.#workspace.api;
      this.#offer = await this.#reauthentication.run(() => factors.beginTotp.mutate());
    });
  }

  async enable(code: string): Promise<void> {
    await this.#try(async () => {
      const { factors } = this.#workspace.api;
      const { backupCodes } = await this.#reauthentication.run(() => factors.enableTotp.mutate({ code }));
      this.#codes = backupCodes;
      this.#offer = null;
      await this.#read();
    });
  }

  /** Puts away what was shown: the offered secret, or the backup codes. */
  dismiss(): void {
    this.#offer = null;
    this.#codes = null;
    this.#work.failure = null;
  }

  /** Turns codes off or renews the backup codes; asks for password and code in any case. Answers whether it did. */
  async change(change: CodeChange): Promise<boolean> {
    return this.#try(async () => {
      const { factors } = this.#workspace.api;
      const { factorTicket: ticket } = await this.#reauthentication.prove();
      // Without a ticket no second factor was asked for: codes were turned off elsewhere.
      if (ticket !== null) {
        const input = { factor: { kind: 'ticket', ticket } } as const;
        if (change === 'off') await factors.disableTotp.mutate(input);
        else this.#codes = (await factors.renewBackupCodes.mutate(input)).backupCodes;
      }
      await this.#read();
    });
  }

  /** Answers whether a passkey was made and kept. */
  async addPasskey(): Promise<boolean> {
    return this.#try(async () => {
      const { passkeys } = this.#workspace.api;
      const options = await this.#reauthentication.run(() => passkeys.begin.mutate());
      const attestation = await makePasskey(options);
      const input = { name: deviceLabel(), attestation };
      await this.#reauthentication.run(() => passkeys.add.mutate(input));
      await this.#read();
    });
  }

  async renamePasskey({ passkeyId }: PasskeySummary, name: string): Promise<boolean> {
    return this.#try(async () => {
      await this.#workspace.api.passkeys.rename.mutate({ passkeyId, name });
      await this.#read();
    });
  }

  async removePasskey({ passkeyId }: PasskeySummary): Promise<boolean> {
    return this.#try(async () => {
      const { passkeys } = this.#workspace.api;
      await this.#reauthentication.run(() => passkeys.remove.mutate({ passkeyId }));
      await this.#read();
    });
  }

  async #read(): Promise<void> {
    this.#status = await this.#workspace.api.factors.status.query();
  }

  async #try(run: () => Promise<void>): Promise<boolean> {
    return (await this.#work.run('work', () => run().then(() => true))) ?? false;
  }
}
