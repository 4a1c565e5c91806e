// Syntax colours for code blocks. highlight.js and each language are fetched when first needed.
import DOMPurify from 'dompurify';
import type { HLJSApi, LanguageFn } from 'highlight.js';

type LanguageModule = Promise<{ default: LanguageFn }>;

const LANGUAGES = {
  bash: () => import('highlight.js/lib/languages/bash') as LanguageModule,
  c: () => import('highlight.js/lib/languages/c') as LanguageModule,
  cpp: () => import('highlight.js/lib/languages/cpp') as LanguageModule,
  css: () => import('highlight.js/lib/languages/css') as LanguageModule,
  diff: () => import('highlight.js/lib/languages/diff') as LanguageModule,
  go: () => import('highlight.js/lib/languages/go') as LanguageModule,
  java: () => import('highlight.js/lib/languages/java') as LanguageModule,
  javascript: () => import('highlight.js/lib/languages/javascript') as LanguageModule,
  json: () => import('highlight.js/lib/languages/json') as LanguageModule,
  php: () => import('highlight.js/lib/languages/php') as LanguageModule,
  python: () => import('highlight.js/lib/languages/python') as LanguageModule,
  ruby: () => import('highlight.js/lib/languages/ruby') as LanguageModule,
  rust: () => import('highlight.js/lib/languages/rust') as LanguageModule,
  sql: () => import('highlight.js/lib/languages/sql') as LanguageModule,
  typescript: () => import('highlight.js/lib/languages/typescript') as LanguageModule,
  xml: () => import('highlight.js/lib/languages/xml') as LanguageModule,
  yaml: () => import('highlight.js/lib/languages/yaml') as LanguageModule,
} as const;

type Language = keyof typeof LANGUAGES;

const ALIASES: Readonly<Record<string, Language>> = {
  'c++': 'cpp',
  html: 'xml',
  js: 'javascript',
  jsx: 'javascript',
  py: 'python',
  rb: 'ruby',
  rs: 'rust',
  sh: 'bash',
  shell: 'bash',
  svelte: 'xml',
  svg: 'xml',
  ts: 'typescript',
  tsx: 'typescript',
  yml: 'yaml',
  zsh: 'bash',
};

const isLanguage = (name: string): name is Language => Object.hasOwn(LANGUAGES, name);

function resolve(name: string): Language | undefined {
  const lower = name.toLowerCase();
  if (isLanguage(lower)) return lower;
  return Object.hasOwn(ALIASES, lower) ? ALIASES[lower] : undefined;
}

async function engineFor(language: Language): Promise<HLJSApi> {
  const [{ default: engine }, { default: grammar }] = await Promise.all([
    import('highlight.js/lib/core'),
    LANGUAGES[language](),
  ]);
  if (!engine.getLanguage(language)) engine.registerLanguage(language, grammar);
  return engine;
}

/** Longer code stays plain: colouring it would hold up the page. In characters. */
const MAX_LENGTH = 20_000;

/** Coloured copy of `code` as spans, or null when the language is unknown or the text too long. */
export async function highlightCode(code: string, languageName: string): Promise<DocumentFragment | null> {
  const language = resolve(languageName);
  if (language === undefined || code.length > MAX_LENGTH) return null;
  const engine = await engineFor(language);
  const { value } = engine.highlight(code, { language, ignoreIllegals: true });
  return DOMPurify.sanitize(value, {
    RETURN_DOM_FRAGMENT: true,
    ALLOWED_TAGS: ['span'],
    ALLOWED_ATTR: ['class'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}
