// Reads the few Dockerfile instructions ours uses. Anything unknown is an error: better than passing it over.

/** @returns {{ name: string, steps: { op: string, args: string }[] }[]} the stages in order */
export function parseDockerfile(text) {
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const stages = [];
  for (const line of lines) {
    const [, op, args] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (!op) throw new Error(`cannot read: ${line}`);
    if (op === 'FROM') stages.push({ name: /\sAS\s+(\S+)$/i.exec(args)?.[1] ?? 'final', steps: [] });
    else stages.at(-1).steps.push({ op, args });
  }
  return stages;
}

/** The JSON array after CMD, with a health check's options before it left out. */
export function commandOf(args) {
  const at = args.indexOf('[');
  if (at < 0) throw new Error(`only the JSON form is used here: ${args}`);
  return JSON.parse(args.slice(at));
}

/** A matcher for .dockerignore: the last pattern that matches decides. */
export function ignoreMatcher(text) {
  const rules = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const keep = line.startsWith('!');
      const glob = (keep ? line.slice(1) : line).replace(/[.+^$()|[\]\\]/g, '\\$&');
      const body = glob.replace(/\*\*\//g, '(?:.*/)?').replace(/(?<!\.)\*/g, '[^/]*');
      return { keep, pattern: new RegExp(`^${body}(?:/|$)`) };
    });
  return (path) =>
    rules.reduce((ignored, { keep, pattern }) => (pattern.test(path) ? !keep : ignored), false);
}
