// A benchmark's end: what was aimed at beside what was measured, in words, and one JSON object on the last line.

/** One aim and what came of it. */
export interface Aim {
  /** What is aimed at, in words with its unit. */
  readonly aim: string;
  readonly measured: number;
  readonly met: boolean;
}

function refuseMisleading(figures: unknown): void {
  if (typeof figures !== 'object' || figures === null) return;
  for (const [key, value] of Object.entries(figures)) {
    if (key !== 'ratioVsRelay' && /ratio/i.test(key)) throw new Error(`misleading name: ${key}`);
    refuseMisleading(value);
  }
}

/** Prints the figures. Only the comparison itself may be called a ratio, so that readers need not guess which one. */
export function printResult(figures: Readonly<Record<string, unknown>>, aims: readonly Aim[] = []): void {
  refuseMisleading(figures);
  for (const { aim, measured, met } of aims)
    console.error(`${met ? 'met   ' : 'MISSED'} ${aim}: measured ${measured}`);
  console.log(JSON.stringify(aims.length > 0 ? { ...figures, aims } : figures));
}
