// A benchmark's last line: one JSON object.

/** Prints the figures. Only the comparison itself may be called a ratio, so that readers need not guess which one. */
export function printResult(figures: Readonly<Record<string, unknown>>): void {
  const wrong = Object.keys(figures).filter((key) => key !== 'ratioVsRelay' && /ratio/i.test(key));
  if (wrong.length > 0) throw new Error(`misleading names: ${wrong.join(', ')}`);
  console.log(JSON.stringify(figures));
}
