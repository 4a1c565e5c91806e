import { describe, expect, it } from 'vitest';
import { makeEnd, receive, send } from '../support/pairs.ts';

describe('pairwise sessions', () => {
  it('carries messages both ways', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob');
    const first = send(ada, bob, 'one');
    expect(receive(bob, ada, first)).toBe('one');
    expect(receive(ada, bob, send(bob, ada, 'two'))).toBe('two');
    for (let i = 0; i < 5; i++) {
      const p = send(ada, bob, `a${i}`);
      expect(p.length).toBeLessThan(130);
      expect(receive(bob, ada, p)).toBe(`a${i}`);
      expect(receive(ada, bob, send(bob, ada, `b${i}`))).toBe(`b${i}`);
    }
    expect(first.length).toBeLessThan(1500);
  });
});
