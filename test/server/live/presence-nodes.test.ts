// Presence over several nodes: whoever is connected anywhere is there, a node that is gone takes its people with it.
import { beforeEach, describe, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import { PresenceRegistry, type Connection } from '#server/domains/live/presence-registry.ts';
import type { PresentEntry } from '#server/domains/live/presence-elsewhere.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { manualClock } from '../../support/clock.ts';

const [ada, ben] = [randomUUID() as AccountId, randomUUID() as AccountId];
const connectionOf = (accountId: AccountId): Connection =>
  ({ id: randomUUID(), data: { accountId, focus: null }, isOpen: true }) as unknown as Connection;

describe('presence of several nodes', () => {
  let registry: PresenceRegistry;
  let clock: ReturnType<typeof manualClock>;
  let told: LiveEvent[];
  let announced: PresentEntry[];
  const watcher = connectionOf(ben);
  const seen = () => {
    registry.flush();
    return told.splice(0).flatMap((event) => (event.type === 'presence.changed' ? event.entries : []));
  };

  beforeEach(() => {
    clock = manualClock(1_000_000);
    told = [];
    announced = [];
    registry = new PresenceRegistry(clock, (_, event) => told.push(event));
    registry.announceTo({ present: (entries) => announced.push(...entries), chose: () => undefined });
    registry.watch(watcher, [ada]);
  });

  it('somebody on another node is there until the last node says otherwise', () => {
    registry.heardFrom('x', [[ada, 'online']], false);
    registry.heardFrom('y', [[ada, 'online']], false);
    expect(seen()).toEqual([{ accountId: ada, presence: 'online' }]);
    registry.heardFrom('x', [[ada, null]], false);
    expect(registry.presenceOf(ada)).toBe('online');
    registry.lostNode('y');
    expect(seen()).toEqual([{ accountId: ada, presence: 'offline' }]);
    expect(announced).toEqual([]);
  });

  it('a whole account of a node replaces what it said before', () => {
    registry.heardFrom('x', [[ada, 'online']], true);
    seen();
    registry.heardFrom('x', [[ben, 'online']], true);
    expect(seen()).toEqual([{ accountId: ada, presence: 'offline' }]);
  });

  it('a choice made on one node counts wherever the person is, and invisible stays a secret', () => {
    registry.heardFrom('x', [[ada, 'online']], false);
    seen();
    registry.heardChoice(ada, 'invisible');
    expect(seen()).toEqual([{ accountId: ada, presence: 'offline' }]);
    registry.arrive({}, connectionOf(ada), 'invisible');
    registry.heardChoice(ada, 'idle');
    expect(seen()).toEqual([{ accountId: ada, presence: 'idle' }]);
  });

  it('tells the others who came, and who is gone after the grace', () => {
    const connection = connectionOf(ada);
    registry.arrive({}, connection, 'dnd');
    expect(seen()).toEqual([{ accountId: ada, presence: 'dnd' }]);
    expect([announced.splice(0), registry.here()]).toEqual([[[ada, 'dnd']], [[ada, 'dnd']]]);
    registry.leave(connection);
    registry.flush();
    expect(announced).toEqual([]);
    clock.advance(limits.offlineGraceMs);
    registry.flush();
    expect([announced, registry.here()]).toEqual([[[ada, null]], []]);
  });
});
