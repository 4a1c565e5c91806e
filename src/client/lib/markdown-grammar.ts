// The Markdown of messages: GFM with spoilers and mentions, without raw HTML, remote images, indented code and
// underlined headings (a line of dashes under a sentence is a line here, not a title).
import { Marked, type Token, type TokenizerAndRendererExtension, type Tokens } from 'marked';
import { t } from './i18n.ts';

/** What a renderer needs to know about people. */
export interface MentionContext {
  /** Shown name of an account, null when unknown. */
  mention?: ((accountId: string) => string | null) | undefined;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);

/** Only these schemes become links; everything else stays text. */
export const SAFE_URL = /^(?:https?:\/\/|mailto:)/i;

interface MentionToken extends Tokens.Generic {
  type: 'mention';
  accountId: string;
}

const mentionExtension = (context: MentionContext): TokenizerAndRendererExtension => ({
  name: 'mention',
  level: 'inline',
  start: (src) => src.indexOf('<@'),
  tokenizer(src): MentionToken | undefined {
    const match = /^<@([0-9A-Za-z-]{1,64})>/.exec(src);
    return match?.[1] === undefined ? undefined : { type: 'mention', raw: match[0], accountId: match[1] };
  },
  renderer(token): string {
    const { accountId } = token as MentionToken;
    const name = context.mention?.(accountId) ?? t('chat.unknownPerson');
    return `<span class="mention" data-account="${escapeHtml(accountId)}">@${escapeHtml(name)}</span>`;
  },
});

const spoilerExtension: TokenizerAndRendererExtension = {
  name: 'spoiler',
  level: 'inline',
  start: (src) => src.indexOf('||'),
  tokenizer(src): Tokens.Generic | undefined {
    const match = /^\|\|(?=\S)([\s\S]*?\S)\|\|/.exec(src);
    if (match?.[1] === undefined) return undefined;
    return { type: 'spoiler', raw: match[0], tokens: this.lexer.inlineTokens(match[1]) };
  },
  renderer(token): string {
    return `<span class="spoiler">${this.parser.parseInline(token.tokens ?? [])}</span>`;
  },
};

/** First word after the fence, if it looks like a language name. */
export const languageOf = (info: string | undefined): string => /^[\w+#.-]{1,24}/.exec(info ?? '')?.[0] ?? '';

function codeHtml({ text, lang }: Tokens.Code): string {
  const language = languageOf(lang);
  return `<div class="codeblock" data-lang="${escapeHtml(language)}"><pre><code>${escapeHtml(text)}</code></pre></div>`;
}

function linkHtml(href: string, title: string | null | undefined, inner: string): string {
  if (!SAFE_URL.test(href)) return inner;
  const tip = title ? `${title}: ${href}` : href;
  return `<a href="${escapeHtml(href)}" title="${escapeHtml(tip)}" rel="noopener noreferrer nofollow" target="_blank">${inner}</a>`;
}

/** A parser for one context; making it is cheap, its state is not shared. */
export function createGrammar(context: MentionContext): Marked {
  const marked = new Marked({ gfm: true, breaks: true, async: false });
  marked.use({
    extensions: [mentionExtension(context), spoilerExtension],
    tokenizer: {
      html: () => undefined,
      tag: () => undefined,
      code: () => undefined,
      lheading: () => undefined,
      def: () => undefined,
    },
    renderer: {
      html: ({ text }) => escapeHtml(text),
      image: ({ href, text }) =>
        escapeHtml(t('chat.imageAsText', { text: text === '' ? href : `${text} ${href}` })),
      link({ href, title, tokens }) {
        return linkHtml(href, title, this.parser.parseInline(tokens));
      },
      code: codeHtml,
    },
  });
  return marked;
}

/** The words of a token tree without any markup; spoilers stay covered. */
export function tokenText(tokens: readonly Token[], context: MentionContext): string {
  let text = '';
  for (const token of tokens) {
    if (token.type === 'space' || token.type === 'br' || token.type === 'hr') text += ' ';
    else if (token.type === 'spoiler') text += '▪▪▪';
    else if (token.type === 'mention') {
      text += `@${context.mention?.((token as MentionToken).accountId) ?? t('chat.unknownPerson')}`;
    } else if (token.type === 'list') {
      text += (token as Tokens.List).items.map((item) => tokenText(item.tokens, context)).join(' ');
    } else if (token.type === 'table') {
      const table = token as Tokens.Table;
      const cells = [table.header, ...table.rows].flat();
      text += cells.map((cell) => tokenText(cell.tokens, context)).join(' ');
    } else if ('tokens' in token && token.tokens) text += tokenText(token.tokens, context);
    else if ('text' in token && typeof token.text === 'string') text += token.text;
  }
  return text;
}
