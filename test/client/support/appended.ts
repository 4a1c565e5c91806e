// An `event.appended` with everything it may carry.
import type { LiveEventOf } from '#shared/events.ts';

const id = (digit: string): never =>
  `${digit.repeat(8)}-${digit.repeat(4)}-7abc-8def-${digit.repeat(12)}` as never;

export const appended: LiveEventOf<'event.appended'> = {
  type: 'event.appended',
  event: {
    channelId: id('1'),
    seq: 300,
    eventId: id('2'),
    class: 'message',
    ordinal: 129,
    senderAccountId: id('3'),
    senderDeviceId: id('4'),
    refId: id('5'),
    epoch: 1,
    envelope: 'q83v',
    stub: null,
    frankTag: 'A'.repeat(43),
    createdAt: 1_795_824_000_000,
  },
  chainCert: 'AgI',
  mentions: [id('6'), id('7')],
};
