// Guessing is bounded in one place: every check of a password or a second factor runs inside `guarded`.
import type { Deps } from '#server/deps.ts';
import { addressKey } from '#server/platform/address.ts';
import { AppError } from '#shared/errors.ts';

/** Whose secrets are tried, and from where. */
export interface Guesser {
  readonly username: string;
  readonly address: string;
}

/** Codes are few: whoever has the password gets ten tries for all addresses together. No name has a space. */
const codesOf = (username: string): string => `codes of ${username}`;

/** Throws `locked_out` while this address must not try this name. */
export async function requireUnlocked(deps: Deps, name: string, address: string): Promise<void> {
  const retryAfterMs = await deps.lockout.lockedForMs(name, address);
  if (retryAfterMs > 0) throw new AppError({ code: 'locked_out', retryAfterMs });
}

/** Throws `locked_out` when too many codes of this account were wrong of late, from wherever. */
export const requireCodesUnlocked = (deps: Deps, username: string): Promise<void> =>
  requireUnlocked(deps, codesOf(username), '');

/**
 * Runs a check of a person's secrets. `bad_credentials` and `bad_second_factor` count against the name and address;
 * passing forgets what was counted. Throws `locked_out` before anything is checked.
 */
export async function guarded<T>(deps: Deps, guesser: Guesser, check: () => Promise<T>): Promise<T> {
  const { username } = guesser;
  const address = addressKey(guesser.address);
  await requireUnlocked(deps, username, address);
  try {
    const passed = await check();
    await deps.lockout.succeed(username, address);
    await deps.lockout.succeed(codesOf(username), '');
    return passed;
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    const { code } = cause.payload;
    if (code !== 'bad_credentials' && code !== 'bad_second_factor') throw cause;
    await deps.lockout.fail(username, address);
    if (code === 'bad_credentials') throw cause;
    await deps.lockout.fail(codesOf(username), '');
    const left = Math.min(
      await deps.lockout.triesLeft(username, address),
      await deps.lockout.triesLeft(codesOf(username), ''),
    );
    throw new AppError({ code: 'bad_second_factor', triesLeft: left });
  }
}
