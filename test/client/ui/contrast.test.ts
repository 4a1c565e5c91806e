// @vitest-environment node
// The colours of tokens.css against WCAG AA, as the components pair them, in every palette and both modes.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

type Rgb = readonly [number, number, number];
interface Colour {
  rgb: Rgb;
  alpha: number;
}
const MODES = ['light', 'dark'] as const;
type Mode = (typeof MODES)[number];

const file = fileURLToPath(new URL('../../../src/client/styles/tokens.css', import.meta.url));
const css = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');

/** The declarations of each palette's block. */
const palettes = new Map<string, Map<string, string>>();
for (const [, selector = '', body = ''] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
  const name = /data-palette=['"](\w+)['"]/.exec(selector)?.[1];
  if (name === undefined) continue;
  const entries = [...body.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(
    ([, key = '', value = '']) => [key, value] as const,
  );
  palettes.set(name, new Map(entries));
}

function parseColour(text: string): Colour {
  const hex = /^#([0-9a-f]{6})$/i.exec(text)?.[1];
  if (hex !== undefined) {
    const at = (i: number): number => parseInt(hex.slice(i, i + 2), 16) / 255;
    return { rgb: [at(0), at(2), at(4)], alpha: 1 };
  }
  const [, r = '0', g = '0', b = '0', alpha = '1'] =
    /^rgb\((\d+) (\d+) (\d+) \/ ([\d.]+)\)$/.exec(text) ?? [];
  return { rgb: [Number(r) / 255, Number(g) / 255, Number(b) / 255], alpha: Number(alpha) };
}

const linear = (c: number): number => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]: Rgb): number => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}
const mix = (top: Colour, under: Rgb): Rgb =>
  top.rgb.map((c, i) => c * top.alpha + (under[i] ?? 0) * (1 - top.alpha)) as unknown as Rgb;

/** sRGB of an OKLCH colour, clipped to the gamut (CSS Color 4, section 9). */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const encode = (c: number): number => {
    const x = Math.min(1, Math.max(0, c));
    return x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
  };
  return [
    encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    encode(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function theme(name: string, mode: Mode) {
  const block = palettes.get(name) ?? new Map<string, string>();
  const raw = (key: string): string => block.get(key) ?? '';
  const colour = (key: string): Colour => {
    const [, light = '', dark = ''] =
      /^light-dark\((#\w+|rgb\([^)]*\)),\s*(#\w+|rgb\([^)]*\))\)$/.exec(raw(key)) ?? [];
    return parseColour(mode === 'light' ? light : dark);
  };
  const rgb = (key: string): Rgb => colour(key).rgb;
  const surfaces = ['surface-0', 'surface-1', 'surface-2', 'surface-raised'].map(rgb);
  const hovered = surfaces.map((surface) => mix(colour('hover'), surface));
  return { raw, rgb, colour, surfaces, everywhere: [...surfaces, ...hovered] };
}

const cases = [...palettes.keys()].flatMap((name) => MODES.map((mode) => [name, mode] as const));
const worst = (text: Rgb, grounds: readonly Rgb[]): number =>
  Math.min(...grounds.map((ground) => contrast(text, ground)));

describe.each(cases)('%s, %s', (name, mode) => {
  const { raw, rgb, colour, surfaces, everywhere } = theme(name, mode);

  it('reads at 4.5:1 wherever text may lie', () => {
    const softs = ['accent-soft', 'mention-bg', 'danger-soft', 'ok-soft', 'warn-soft', 'info-soft'].map(rgb);
    for (const text of ['text-1', 'text-2', 'text-3']) {
      expect(worst(rgb(text), [...everywhere, ...softs]), text).toBeGreaterThanOrEqual(4.5);
    }
    expect(
      worst(rgb('accent-text'), [...everywhere, rgb('accent-soft'), rgb('mention-bg')]),
    ).toBeGreaterThanOrEqual(4.5);
    for (const tone of ['danger', 'ok', 'warn', 'info']) {
      const grounds = [...everywhere, rgb(`${tone}-soft`)];
      expect(worst(rgb(`${tone}-text`), grounds), tone).toBeGreaterThanOrEqual(4.5);
    }
    const reactions = surfaces.map((surface) => mix(colour('pressed'), surface));
    expect(
      worst(rgb('text-2'), [...reactions, rgb('surface-3')]),
      'reaction, quiet badge',
    ).toBeGreaterThanOrEqual(4.5);
    expect(worst(rgb('on-accent'), [rgb('accent'), rgb('accent-hover')])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(rgb('on-danger'), rgb('danger'))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(rgb('surface-0'), rgb('text-1')), 'tooltip').toBeGreaterThanOrEqual(4.5);
  });

  it('shows focus, fields and presence at 3:1', () => {
    expect(worst(rgb('focus'), surfaces)).toBeGreaterThanOrEqual(3);
    const fieldGrounds = [rgb('surface-0'), rgb('surface-1'), rgb('surface-raised')];
    expect(worst(rgb('line-field'), fieldGrounds)).toBeGreaterThanOrEqual(3);
    for (const state of ['online', 'idle', 'dnd', 'offline']) {
      expect(worst(rgb(`presence-${state}`), surfaces), state).toBeGreaterThanOrEqual(3);
    }
  });

  it('gives all 360 people a readable name and avatar', () => {
    const lightness = Number(raw(`name-l-${mode}`));
    const chroma = Number(raw(`name-c-${mode}`));
    expect(lightness).toBeGreaterThan(0);
    const lain = ['surface-0', 'surface-1', 'surface-raised'].map(rgb);
    const grounds = [...lain, ...lain.map((surface) => mix(colour('hover'), surface)), rgb('mention-bg')];
    for (let hue = 0; hue < 360; hue += 1) {
      expect(worst(oklch(lightness, chroma, hue), grounds), `name, hue ${hue}`).toBeGreaterThanOrEqual(4.5);
      const [ground, letters] =
        mode === 'light'
          ? [oklch(0.9, 0.042, hue), oklch(0.4, 0.085, hue)]
          : [oklch(0.36, 0.05, hue), oklch(0.9, 0.06, hue)];
      expect(contrast(ground, letters), `avatar, hue ${hue}`).toBeGreaterThanOrEqual(4.5);
    }
  });
});
