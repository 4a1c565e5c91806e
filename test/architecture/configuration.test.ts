// What is written for people about configuration is what the program reads.
import { describe, expect, it } from 'vitest';
import { envNames, parseEnv } from '#server/platform/env.ts';
import { read } from './tree.ts';

/** Names offered in .env.example, commented out or not. */
const offered = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map((match) => ({
  name: match[1] ?? '',
  value: match[2] ?? '',
}));

describe('.env.example', () => {
  it('offers every variable and no other', () => {
    expect(offered.map(({ name }) => name).sort()).toEqual([...envNames].sort());
  });

  it('offers values that are accepted', () => {
    const values = offered.filter(({ name, value }) => value !== '' && !name.endsWith('_FILE'));
    expect(values.length).toBeGreaterThan(5);
    expect(() => parseEnv(Object.fromEntries(values.map(({ name, value }) => [name, value])))).not.toThrow();
  });
});

describe('docker-compose.yml and Dockerfile', () => {
  it('set only variables the server reads', () => {
    const compose = read('docker-compose.yml');
    const servers = [
      compose.slice(compose.indexOf('\n  app:'), compose.indexOf('\n  postgres:')),
      compose.slice(compose.indexOf('\n  node1:'), compose.indexOf('\n  valkey:')),
    ];
    const inCompose = servers.flatMap((server) => {
      const environment = /environment:\n((?: {6}.*\n)+)/.exec(server)?.[1] ?? '';
      return [...environment.matchAll(/^ {6}([A-Z_]+):/gm)].map((match) => match[1]);
    });
    const inImage = [...(/^ENV (.*)$/m.exec(read('Dockerfile'))?.[1] ?? '').matchAll(/([A-Z_]+)=/g)].map(
      (m) => m[1],
    );
    expect(inCompose.length).toBeGreaterThan(8);
    expect(inImage.length).toBeGreaterThan(1);
    expect([...inCompose, ...inImage].filter((name) => !envNames.includes(name ?? ''))).toEqual([]);
  });
});
