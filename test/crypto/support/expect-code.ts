// expectCode: the call must throw CryptoError with exactly this code.
import { expect } from 'vitest';
import { CryptoError, type CryptoErrorCode } from '#crypto/errors.ts';

/** Runs `act` and asserts the code of the CryptoError it throws; returns that error. */
export function expectCode(code: CryptoErrorCode, act: () => unknown): CryptoError {
  let thrown: unknown = null;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, `expected CryptoError ${code}`).toBeInstanceOf(CryptoError);
  expect((thrown as CryptoError).code).toBe(code);
  return thrown as CryptoError;
}
