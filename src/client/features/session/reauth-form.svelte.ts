// The dialog that asks for fresh proof: by password with its second step, or by passkey.
import type { Api } from '#client/api/trpc.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { FactorTicket } from '#shared/second-factor.ts';
import type { EntryFailure } from './entry-failure.ts';
import { EntryWork } from './entry-work.svelte.ts';
import { FactorPrompt } from './factor-prompt.svelte.ts';
import { hasPasskeys } from './passkey-support.ts';
import { assertPasskey } from './passkeys.ts';
import { withFactor, type AskFactor } from './with-factor.ts';

export class ReauthForm {
  password = $state('');
  readonly factor: FactorPrompt;
  readonly #workspace: Workspace;
  readonly #work = new EntryWork();
  #asksFactor = $state(false);
  #wasTried = $state(false);

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
    this.factor = new FactorPrompt(() => workspace.api.auth.passkeyChallenge.mutate());
  }

  get isBusy(): boolean {
    return this.#work.isBusy;
  }

  /** After the password: the second step. */
  get asksFactor(): boolean {
    return this.#asksFactor;
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
  }

  get passwordFault(): 'session.passwordMissing' | null {
    return this.#wasTried && this.password === '' ? 'session.passwordMissing' : null;
  }

  get canUsePasskey(): boolean {
    return hasPasskeys();
  }

  /** Answers the proof once the session is fresh; null when it is not. */
  async submit(): Promise<FactorTicket | null> {
    this.#wasTried = true;
    if (this.password === '') return null;
    return this.#prove(async (workspace) => {
      const { api, crypto, structure } = workspace;
      const kdf = await api.auth.kdf.query({ username: structure.account?.username ?? '' });
      const { loginSecret } = await crypto.deriveLogin({ password: this.password, kdf });
      return this.#byPassword(api, loginSecret);
    });
  }

  /** As `submit`, with a log-in secret that is known to be right: the second step is what is missing. */
  submitSecret(loginSecret: string): Promise<FactorTicket | null> {
    this.#asksFactor = true;
    return this.#prove(({ api }) => this.#byPassword(api, loginSecret));
  }

  /** Answers the proof once the session is fresh; null when it is not. */
  submitPasskey(): Promise<FactorTicket | null> {
    return this.#prove(async ({ api }) => {
      const assertion = await assertPasskey(await api.auth.passkeyChallenge.mutate());
      return api.auth.reauthenticate.mutate({ kind: 'passkey', assertion });
    });
  }

  #byPassword(api: Api, loginSecret: string): Promise<FactorTicket> {
    const ask: AskFactor = (asked) => {
      this.#asksFactor = true;
      return this.factor.ask(asked);
    };
    return withFactor(ask, (factor) =>
      api.auth.reauthenticate.mutate({ kind: 'password', loginSecret, ...(factor && { factor }) }),
    );
  }

  #prove(run: (workspace: Workspace) => Promise<FactorTicket>): Promise<FactorTicket | null> {
    return this.#work.run('work', () => run(this.#workspace).finally(() => (this.#asksFactor = false)));
  }
}
