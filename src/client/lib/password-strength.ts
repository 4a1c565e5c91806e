// A small estimate of how many guesses a password survives. Pure; runs on every key press.
import { isCommonPassword, commonWords, unleet } from './common-passwords.ts';

export type PasswordVerdict = 'empty' | 'short' | 'common' | 'weak' | 'fair' | 'good' | 'strong';

export interface PasswordEstimate {
  /** 0 nothing … 4 strong: how far the bar is filled. */
  score: 0 | 1 | 2 | 3 | 4;
  verdict: PasswordVerdict;
  /** Long enough and not a known one. */
  acceptable: boolean;
}

const ROWS = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm', '1234567890', 'qwertzuiop', 'abcdefghijklmnopqrstuvwxyz'];

/** Characters that carry no surprise: repeats, and steps along a keyboard row or the alphabet, either way. */
function predictable(text: string, at: number): boolean {
  const before = text[at - 1];
  const here = text[at];
  if (before === undefined || here === undefined) return false;
  if (before === here) return true;
  return ROWS.some((row) => {
    const a = row.indexOf(before);
    const b = row.indexOf(here);
    return a >= 0 && b >= 0 && Math.abs(a - b) === 1;
  });
}

function alphabetSize(text: string): number {
  let size = 0;
  if (/[a-z]/.test(text)) size += 26;
  if (/[A-Z]/.test(text)) size += 26;
  if (/[0-9]/.test(text)) size += 10;
  if (/[ -/:-@[-`{-~]/.test(text)) size += 33;
  if (/[^ -~]/.test(text)) size += 100;
  return Math.max(size, 1);
}

/** Stands where a known word was taken out (the object replacement character). */
const GAP = '\uFFFC';

/** Known words and the person's own names shrink to one cheap guess each before bits are counted. */
function withoutWords(password: string, hints: readonly string[]): { rest: string; words: number } {
  let rest = unleet(password.toLowerCase());
  let words = 0;
  const own = hints.map((hint) => hint.toLowerCase()).filter((hint) => hint.length >= 3);
  for (const word of [...own, ...commonWords()]) {
    if (word.length < 4 && !own.includes(word)) continue;
    if (!rest.includes(word)) continue;
    rest = rest.replaceAll(word, GAP);
    words += 1;
  }
  return { rest, words };
}

const WORD_BITS = 8;

/** Bits of guessing work, roughly: surprising characters times the alphabet, known words nearly free. */
function bitsOf(password: string, hints: readonly string[]): number {
  const { rest, words } = withoutWords(password, hints);
  const perCharacter = Math.log2(alphabetSize(password));
  let surprising = 0;
  for (let i = 0; i < rest.length; i += 1) {
    if (rest[i] === GAP) continue;
    surprising += predictable(rest, i) ? 0.15 : 1;
  }
  const different = new Set(password).size;
  const variety = Math.min(1, different / Math.min(password.length, 12));
  // Real words are far from random letters: long lower-case text counts at about 2.5 bits a letter.
  const ceiling = /^[a-zà-ÿ \uFFFC-]+$/iu.test(rest) ? 2.6 : perCharacter;
  return surprising * Math.min(perCharacter, ceiling) * variety + words * WORD_BITS;
}

/**
 * Judges `password`. `minLength` in characters (limits.passwordMin); `hints` are the person's own names.
 * Commonly used passwords are refused outright, also with digits appended or letters swapped for digits.
 */
export function estimatePassword(
  password: string,
  minLength: number,
  hints: readonly string[] = [],
): PasswordEstimate {
  if (password === '') return { score: 0, verdict: 'empty', acceptable: false };
  if (isCommonPassword(password)) return { score: 1, verdict: 'common', acceptable: false };
  if ([...password].length < minLength) return { score: 1, verdict: 'short', acceptable: false };
  const bits = bitsOf(password, hints);
  if (bits < 22) return { score: 1, verdict: 'weak', acceptable: true };
  if (bits < 34) return { score: 2, verdict: 'fair', acceptable: true };
  if (bits < 48) return { score: 3, verdict: 'good', acceptable: true };
  return { score: 4, verdict: 'strong', acceptable: true };
}
