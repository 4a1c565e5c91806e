// Any `event.appended` the compact form can carry, for property tests.
import fc from 'fast-check';
import type { LiveEventOf } from '#shared/events.ts';
import type { AccountId, ChannelId, DeviceId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { eventClasses, type ChannelEvent } from '#shared/messages.ts';

export type Appended = LiveEventOf<'event.appended'>;

const bytes = (minLength: number, maxLength: number) =>
  fc
    .uint8Array({ minLength, maxLength, size: 'max' })
    .map((value): string => Buffer.from(value).toString('base64url'));

const id = <Id extends string>() =>
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((value) => {
    const hex = Buffer.from(value).toString('hex');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') as Id;
  });

/** The ends of each length class as often as anything between. */
const upTo = (max: number) =>
  fc.oneof(
    fc.nat({ max: Math.min(max, 200) }),
    fc.integer({ min: 0, max }),
    fc.constantFrom(0, 127, 128, max),
  );
/** Objects as literals make them: others are not strictly equal. */
const ordinary = { noNullPrototype: true } as const;
const count = upTo(2 ** 31 - 1);

const channelEvent: fc.Arbitrary<ChannelEvent> = fc.record(
  {
    channelId: id<ChannelId>(),
    seq: count,
    eventId: id<EventId>(),
    class: fc.constantFrom(...eventClasses),
    ordinal: fc.option(count),
    senderAccountId: id<AccountId>(),
    senderDeviceId: id<DeviceId>(),
    refId: fc.option(id<EventId>()),
    epoch: count,
    envelope: bytes(0, 700),
    stub: fc.constant(null),
    frankTag: fc.option(bytes(32, 32)),
    createdAt: upTo(2 ** 48 - 1),
  },
  ordinary,
);

export const appendedEvents: fc.Arbitrary<Appended> = fc.record(
  {
    type: fc.constant('event.appended' as const),
    event: channelEvent,
    chainCert: fc.option(bytes(0, limits.chainCertBytes)),
    mentions: fc.array(id<AccountId>(), { maxLength: limits.mentionsPerMessage }),
  },
  ordinary,
);
