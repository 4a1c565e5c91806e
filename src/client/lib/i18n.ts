// Typed message table: a missing key or parameter is a type error. Plurals follow Intl.PluralRules on parameter `n`.
import { enEntry } from './messages/en-entry.ts';
import type { en } from './messages/en.ts';

type Table = typeof en;
/** Every key of the message table, e.g. `chat.send`. */
export type MessageKey = keyof Table;

type Params<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Params<Rest>
  : never;
type TextOf<M> = M extends string ? M : M extends Readonly<Record<string, string>> ? M[keyof M] : never;
/** Plural entries always need `n`, also where their text does not show it. */
type ParamsOf<K extends MessageKey> = Params<TextOf<Table[K]>> | (Table[K] extends string ? never : 'n');
type Args<K extends MessageKey> = [ParamsOf<K>] extends [never]
  ? []
  : [Readonly<Record<ParamsOf<K>, string | number>>];

/** A run of text; `strong` marks what came from a parameter, so names can be set in bold. */
export interface TextPart {
  readonly text: string;
  readonly strong: boolean;
}

const LANGUAGE = 'en';
const plurals = new Intl.PluralRules(LANGUAGE);
const numbers = new Intl.NumberFormat('en-GB');

type Values = Readonly<Record<string, string | number>>;

type Texts = Partial<Record<MessageKey, string | Readonly<Record<string, string>>>>;
/** What is loaded of the table: the words of the app come with it (messages/app-texts.ts). */
const texts: Texts = { ...enEntry };

/** More of the table. */
export function addTexts(more: Texts): void {
  Object.assign(texts, more);
}

function pattern(key: MessageKey, values: Values): string {
  const entry = texts[key] ?? key;
  if (typeof entry === 'string') return entry;
  return entry[plurals.select(Number(values['n'] ?? 0))] ?? entry['other'] ?? '';
}

const shown = (value: string | number | undefined): string =>
  typeof value === 'number' ? numbers.format(value) : (value ?? '');

/** The text of `key` with its parameters filled in; the plural form is chosen by `n`. */
export function t<K extends MessageKey>(key: K, ...args: Args<K>): string {
  const values: Values = args[0] ?? {};
  return pattern(key, values).replace(/\{(\w+)\}/g, (_, name: string) => shown(values[name]));
}

/** Like `t`, in pieces: parameters are marked `strong`. */
export function tParts<K extends MessageKey>(key: K, ...args: Args<K>): TextPart[] {
  const values: Values = args[0] ?? {};
  return pattern(key, values)
    .split(/(\{\w+\})/)
    .filter((piece) => piece !== '')
    .map((piece) => {
      const name = /^\{(\w+)\}$/.exec(piece)?.[1];
      return name === undefined
        ? { text: piece, strong: false }
        : { text: shown(values[name]), strong: true };
    });
}
