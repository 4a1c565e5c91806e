// @vitest-environment node
// Sanitising is only as good as the parser it runs on, so this suite runs in Chromium, under Trusted Types.
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from '@playwright/test';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { plainPreview, renderMarkdown } from '#client/lib/markdown.ts';

interface Exposed {
  renderMarkdown: typeof renderMarkdown;
  plainPreview: typeof plainPreview;
}
declare global {
  // What the bundle below puts on the page.
  var markdown: Exposed;
}

const POLICY =
  "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'; trusted-types dompurify";
const ORIGIN = 'http://markdown.test/';

let browser: Browser;
let page: Page;
const violations: string[] = [];

beforeAll(async () => {
  const bundle = await build({
    stdin: {
      contents: `import '#client/lib/messages/app-texts.ts';
        import * as markdown from '#client/lib/markdown.ts'; globalThis.markdown = markdown;`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2023',
  });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' });
  page = await browser.newPage();
  page.on('console', (message) => violations.push(message.text()));
  page.on('dialog', (dialog) => {
    violations.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.route('**/*', async (route) => {
    const url = route.request().url();
    if (url === `${ORIGIN}app.js`) {
      await route.fulfill({ contentType: 'text/javascript', body: bundle.outputFiles[0]?.text ?? '' });
    } else if (url === ORIGIN) {
      const body = '<!doctype html><body><main></main><script src="/app.js"></script></body>';
      await route.fulfill({ contentType: 'text/html', body, headers: { 'content-security-policy': POLICY } });
    } else {
      violations.push(`request: ${url}`);
      await route.abort();
    }
  });
  await page.goto(ORIGIN);
}, 60_000);

afterAll(() => browser?.close());

/** Renders into the page; answers its HTML, its text and everything in it that could run, load or lead astray. */
async function render(text: string, names: Record<string, string> = {}, selfId = ''): Promise<Rendered> {
  return page.evaluate(
    ([source, people, self]) => {
      const host = document.querySelector('main')!;
      host.replaceChildren(
        globalThis.markdown.renderMarkdown(source, { mention: (id) => people[id] ?? null, selfId: self }),
      );
      const bad: string[] = [];
      for (const element of host.querySelectorAll('*')) {
        if (
          /^(script|iframe|object|embed|img|svg|math|style|link|form|base|meta|video|audio)$/i.test(
            element.tagName,
          )
        ) {
          bad.push(element.tagName);
        }
        for (const { name, value } of element.attributes) {
          if (/^on|^(style|src|srcdoc|id|name|action)$/i.test(name)) bad.push(`${name}=${value}`);
          if (name === 'href' && !/^(https?:\/\/|mailto:)/.test(value)) bad.push(`href=${value}`);
        }
      }
      return { html: host.innerHTML, text: host.innerText, bad };
    },
    [text, names, selfId] as const,
  );
}

interface Rendered {
  html: string;
  text: string;
  bad: string[];
}

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg><script>alert(1)</script></svg>',
  '<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>',
  '<a href="javascript:alert(1)">x</a>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](data:text/html;base64,PHNjcmlwdD4=)',
  '[x](vbscript:msgbox(1))',
  '[x](\u0001javascript:alert(1))',
  '[x](//evil.example)',
  '[x](/logout)',
  '[x](https://ok.example "\\"><img src=x onerror=alert(1)>")',
  '![x](https://evil.example/track.png)',
  '![<img src=x onerror=alert(1)>](x)',
  '<https://ok.example/"onmouseover="alert(1)>',
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  '`</code><script>alert(1)</script>`',
  '||<img src=x onerror=alert(1)>||',
  '<@"><img src=x>',
  '<div style="position:fixed;inset:0">over</div>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '| a |\n| --- |\n| <img src=x onerror=alert(1)> |',
  '<details open ontoggle=alert(1)>',
  '<form><input name=attributes><input name=removeChild></form>',
  '&lt;img src=x onerror=alert(1)&gt;',
];

describe('renderMarkdown', () => {
  it.each(HOSTILE)('defuses %s', async (text) => {
    expect((await render(text)).bad).toEqual([]);
    expect((await render('x', { x: text })).bad).toEqual([]);
    expect(violations).toEqual([]);
  });

  it('defuses hostile names of people', async () => {
    const { bad, text } = await render('<@a>', { a: '"><img src=x onerror=alert(1)>' });
    expect(bad).toEqual([]);
    expect(text.trim()).toBe('@"><img src=x onerror=alert(1)>');
  });

  it('shows raw HTML as the text it is', async () => {
    const { text } = await render('a <b>bold</b> <u onclick="x()">move</u>');
    expect(text.trim()).toBe('a <b>bold</b> <u onclick="x()">move</u>');
  });

  it('writes remote images as text', async () => {
    const { text } = await render('![a cat](https://evil.example/cat.png)');
    expect(text).toContain('image: a cat https://evil.example/cat.png');
  });

  it('opens links without telling where from, and shows where they lead', async () => {
    const { html } = await render('[bank](https://other.example/x) me@example.org');
    expect(html).toContain('href="https://other.example/x"');
    expect(html).toContain('title="https://other.example/x"');
    expect(html).toContain('rel="noopener noreferrer nofollow" target="_blank"');
    expect(html).toContain('href="mailto:me@example.org"');
  });

  it('keeps the words of a link it refuses', async () => {
    const { html, text } = await render('[click me](javascript:alert(1))');
    expect(html).not.toContain('<a');
    expect(text).toContain('click me');
  });

  it('renders the usual marks', async () => {
    const { html } = await render(
      '# T\n**b** *i* ~~s~~ `c`\n\n- one\n- [x] two\n\n> q\n\n| a |\n| - |\n| 1 |\n\n***',
    );
    for (const tag of ['h1', 'strong', 'em', 'del', 'code', 'li', 'input', 'blockquote', 'td', 'hr']) {
      expect(html).toContain(`<${tag}`);
    }
  });

  it('breaks lines where the author did; indents are no code, underlines no titles', async () => {
    expect((await render('one\ntwo')).html).toContain('one<br>two');
    expect((await render('    four spaces')).html).not.toContain('<code');
    expect((await render('words\n---')).html).not.toContain('<h2');
  });

  it('names mentions through the resolver and marks the own one', async () => {
    const { html } = await render('hi <@abc-1> and <@zzz>', { 'abc-1': 'Ada' }, 'abc-1');
    expect(html).toContain('<span class="mention self" data-account="abc-1">@Ada</span>');
    expect(html).toContain('@someone');
  });

  it('covers spoilers until they are opened by key', async () => {
    expect((await render('||the *end*||')).html).toContain('role="button"');
    await page.locator('.spoiler').focus();
    await page.keyboard.press('a');
    expect(await page.locator('.spoiler').getAttribute('class')).toBe('spoiler');
    await page.keyboard.press('Enter');
    expect(await page.locator('.spoiler').getAttribute('class')).toBe('spoiler shown');
    expect(await page.locator('.spoiler').getAttribute('role')).toBeNull();
  });

  it('colours code it knows and leaves its text as it was', async () => {
    await render('```js\nconst a = "<b>";\n```');
    await page.locator('.hljs-keyword').waitFor();
    expect(await page.locator('pre').textContent()).toBe('const a = "<b>";');
    expect(await page.locator('pre b').count()).toBe(0);
  });

  it('survives 4000 characters of nesting in a blink', async () => {
    const started = performance.now();
    await render('>'.repeat(2000) + '['.repeat(2000));
    await render('**a'.repeat(1300));
    await render('||a'.repeat(1300));
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe('plainPreview', () => {
  const preview = (text: string, name?: string): Promise<string> =>
    page.evaluate(
      ([source, who]) => globalThis.markdown.plainPreview(source, who === null ? undefined : () => who),
      [text, name ?? null] as const,
    );

  it('is one line without marks, with spoilers still covered', async () => {
    expect(await preview('**Bold** and\n\n- a\n- b ||secret||')).toBe('Bold and a b ▪▪▪');
    expect(await preview('<@1> hi', 'Ada')).toBe('@Ada hi');
  });

  it('ends long text without cutting a character in two', async () => {
    const line = await preview('🫠'.repeat(400));
    expect([...line]).toHaveLength(160);
    expect(line.endsWith('🫠…')).toBe(true);
  });
});
