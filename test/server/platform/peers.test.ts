// Losses between nodes are noticed by numbers alone, and silence is counted in ticks of one's own.
import { beforeEach, describe, expect, it } from 'vitest';
import { Peers } from '#server/platform/peers.ts';

describe('what is heard of other nodes', () => {
  let missed: string[];
  let lost: string[];
  let peers: Peers;

  beforeEach(() => {
    missed = [];
    lost = [];
    peers = new Peers({
      leaseTicks: 3,
      forgetTicks: 10,
      onMissed: (node, lane) => missed.push(`${node} ${lane}`),
      onLost: (node) => lost.push(node),
    });
  });

  it('a number that jumps is a loss, also when only the beat tells of it', () => {
    peers.beat('n', { events: 4, presence: 0 });
    missed.length = 0;
    expect([5, 6, 7].map((n) => peers.message('n', 'events', n))).toEqual([true, true, true]);
    expect(missed).toEqual([]);
    peers.message('n', 'events', 9);
    expect(missed).toEqual(['n events']);
    peers.beat('n', { events: 9, presence: 0 });
    expect(missed).toHaveLength(1);
    peers.beat('n', { events: 12, presence: 1 });
    expect(missed).toEqual(['n events', 'n events', 'n presence']);
  });

  it('what was counted as lost and comes late is not taken', () => {
    peers.beat('n', { events: 0, presence: 0 });
    peers.message('n', 'events', 3);
    expect(peers.message('n', 'events', 2)).toBe(false);
    expect(peers.message('n', 'events', 4)).toBe(true);
  });

  it('of a node seen first before anybody listens only its people are asked for', () => {
    peers.beat('old', { events: 50, presence: 7 });
    expect(missed).toEqual(['old presence']);
    peers.settle();
    peers.beat('new', { events: 0, presence: 0 });
    expect(missed).toEqual(['old presence', 'new presence']);
  });

  it('a node that turns up late, having said things, may have been missed', () => {
    peers.settle();
    peers.message('late', 'events', 6);
    expect(missed).toEqual(['late events']);
    peers.message('young', 'events', 1);
    expect(missed).toEqual(['late events']);
  });

  it('silence for the lease is a loss, told once; heard again, its people are asked anew', () => {
    peers.beat('n', { events: 2, presence: 2 });
    peers.tick();
    peers.tick();
    peers.beat('n', { events: 2, presence: 2 });
    peers.tick();
    peers.tick();
    expect([lost, peers.size]).toEqual([[], 1]);
    peers.tick();
    peers.tick();
    expect([lost, peers.size]).toEqual([['n'], 0]);
    missed.length = 0;
    peers.beat('n', { events: 2, presence: 2 });
    expect([missed, peers.size]).toEqual([['n presence'], 1]);
  });
});
