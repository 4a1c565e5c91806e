// Message text to DOM. Strings from other people never reach innerHTML of the page: marked's output goes through
// DOMPurify (its own Trusted Types policy) into a fragment, and buttons are added as nodes afterwards.
import DOMPurify from 'dompurify';
import { copyText } from './clipboard.ts';
import { highlightCode } from './highlight.ts';
import { t } from './i18n.ts';
import { createGrammar, SAFE_URL, tokenText, type MentionContext } from './markdown-grammar.ts';

export interface RenderOptions extends MentionContext {
  /** The reader's own account: mentions of it are marked. */
  selfId?: string | undefined;
}

const ALLOWED_TAGS = [
  ...[
    'a',
    'b',
    'blockquote',
    'br',
    'code',
    'del',
    'div',
    'em',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'hr',
    'input',
  ],
  ...['li', 'ol', 'p', 'pre', 'span', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'],
];
const OWN_ATTRIBUTES = ['title', 'rel', 'target', 'class', 'data-account', 'data-lang', 'align', 'start'];
const INPUT_ATTRIBUTES = ['type', 'checked', 'disabled'];

function sanitize(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    ALLOWED_TAGS,
    ALLOWED_ATTR: ['href', ...OWN_ATTRIBUTES, ...INPUT_ATTRIBUTES],
    ALLOWED_URI_REGEXP: SAFE_URL,
    // The pattern above is applied to every attribute that is not listed here.
    ADD_URI_SAFE_ATTR: [...OWN_ATTRIBUTES, ...INPUT_ATTRIBUTES],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

/** Covered text opens once, by click, Enter or Space, and then reads like any other text. */
function armSpoiler(spoiler: Element): void {
  spoiler.setAttribute('role', 'button');
  spoiler.setAttribute('tabindex', '0');
  spoiler.setAttribute('aria-label', t('chat.spoiler'));
  const show = (event: Event): void => {
    if (event instanceof KeyboardEvent && event.key !== 'Enter' && event.key !== ' ') return;
    if (spoiler.classList.contains('shown')) return;
    event.preventDefault();
    event.stopPropagation();
    spoiler.classList.add('shown');
    for (const name of ['role', 'tabindex', 'aria-label']) spoiler.removeAttribute(name);
  };
  spoiler.addEventListener('click', show);
  spoiler.addEventListener('keydown', show);
}

const COPIED_MS = 2000;

function copyButton(code: string): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = t('chat.copyCode');
  button.addEventListener('click', () => {
    void copyText(code).then((copied) => {
      if (!copied) return;
      button.textContent = t('chat.codeCopied');
      setTimeout(() => (button.textContent = t('chat.copyCode')), COPIED_MS);
    });
  });
  return button;
}

/** Gives a code block its head with the copy button, and colours once they are loaded. */
function dressCode(block: Element): void {
  const code = block.querySelector('code');
  if (!code) return;
  const text = code.textContent;
  const language = block.getAttribute('data-lang') ?? '';
  const head = document.createElement('div');
  head.className = 'codeblock-head';
  const label = document.createElement('span');
  label.textContent = language === '' ? t('chat.code') : language;
  head.append(label, copyButton(text));
  block.prepend(head);
  // Wide code scrolls sideways, so the keyboard must be able to reach it.
  code.parentElement?.setAttribute('tabindex', '0');
  if (language === '') return;
  void highlightCode(text, language).then(
    (coloured) => coloured && code.replaceChildren(coloured),
    () => undefined, // plain code is fine when the chunk cannot be fetched
  );
}

/** `text` as nodes, ready for `replaceChildren`. Never throws: text that breaks the parser is shown as it is. */
export function renderMarkdown(text: string, options: RenderOptions = {}): DocumentFragment {
  let fragment: DocumentFragment;
  try {
    fragment = sanitize(createGrammar(options).parse(text, { async: false }));
  } catch {
    fragment = document.createDocumentFragment();
    const paragraph = document.createElement('p');
    paragraph.textContent = text;
    fragment.append(paragraph);
    return fragment;
  }
  for (const spoiler of fragment.querySelectorAll('.spoiler')) armSpoiler(spoiler);
  for (const block of fragment.querySelectorAll('.codeblock')) dressCode(block);
  for (const mention of fragment.querySelectorAll('.mention')) {
    if (mention.getAttribute('data-account') === options.selfId) mention.classList.add('self');
  }
  for (const box of fragment.querySelectorAll('input')) {
    box.setAttribute('aria-label', box.parentElement?.textContent.trim() ?? '');
  }
  return fragment;
}

const PREVIEW_LENGTH = 160;

/** One line without markup, for reply quotes and conversation lists; at most 160 characters. */
export function plainPreview(text: string, mention?: MentionContext['mention']): string {
  const context = { mention };
  let words: string;
  try {
    words = tokenText(createGrammar(context).lexer(text), context);
  } catch {
    words = text;
  }
  const line = [...words.replace(/\s+/g, ' ').trim()];
  return line.length > PREVIEW_LENGTH ? `${line.slice(0, PREVIEW_LENGTH - 1).join('')}…` : line.join('');
}
