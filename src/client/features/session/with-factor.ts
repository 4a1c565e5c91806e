import { failureOf } from '#client/api/errors.ts';
import type { Factor, FactorMethod } from '#shared/second-factor.ts';
import type { EntryFailure } from './entry-failure.ts';

/** Asks the person; `methods` the first time, `failure` when what they gave was wrong. Rejects when called off. */
export type AskFactor = (asked: {
  readonly methods?: readonly FactorMethod[];
  readonly failure?: EntryFailure;
}) => Promise<Factor>;

/** Makes a call that may want a second factor, until it is right or fails for another reason. */
export async function withFactor<T>(
  ask: AskFactor | undefined,
  call: (factor?: Factor) => Promise<T>,
): Promise<T> {
  let factor: Factor | undefined;
  for (;;) {
    try {
      return await call(factor);
    } catch (error) {
      const failure = failureOf(error);
      if (!ask) throw error;
      if (failure.code === 'second_factor_required') factor = await ask({ methods: failure.methods });
      else if (failure.code === 'bad_second_factor') factor = await ask({ failure });
      else throw error;
    }
  }
}
