// A LivePublisher that remembers: what was announced, to whom, in which order with the audience changes.
import type { LivePublisher } from '#server/deps.ts';
import type { Audience, LiveEvent, LiveEventOf, LiveEventType } from '#shared/events.ts';

type AudienceCall = Exclude<keyof LivePublisher, 'publish' | 'publishAppended' | 'forgetIdle'>;

export type Recorded =
  | { readonly call: 'publish'; readonly audience: Audience; readonly event: LiveEvent }
  | {
      readonly call: AudienceCall;
      readonly args: readonly unknown[];
    };

export interface RecordedEvents {
  readonly live: LivePublisher;
  readonly calls: Recorded[];
  /** Events of one type, oldest first. */
  of<T extends LiveEventType>(type: T): { audience: Audience; event: LiveEventOf<T> }[];
  /** Arguments of one audience or closing call, oldest first. */
  argsOf(call: AudienceCall): (readonly unknown[])[];
  clear(): void;
}

export function recordedEvents(): RecordedEvents {
  const calls: Recorded[] = [];
  const note =
    (call: AudienceCall) =>
    (...args: readonly unknown[]): void =>
      void calls.push({ call, args });
  const live: LivePublisher = {
    publish: (audience, event) => void calls.push({ call: 'publish', audience, event }),
    publishAppended: (audience, event) => void calls.push({ call: 'publish', audience, event }),
    listeners: () => 0,
    joinCommunity: note('joinCommunity'),
    leaveCommunity: note('leaveCommunity'),
    dissolveCommunity: note('dissolveCommunity'),
    changeReaders: note('changeReaders'),
    dissolveChannel: note('dissolveChannel'),
    closeSession: note('closeSession'),
    closeDevice: note('closeDevice'),
    closeAccount: note('closeAccount'),
    forgetIdle: () => 0,
  };
  const of = <T extends LiveEventType>(type: T): { audience: Audience; event: LiveEventOf<T> }[] =>
    calls.flatMap((entry) =>
      entry.call === 'publish' && entry.event.type === type
        ? [{ audience: entry.audience, event: entry.event as LiveEventOf<T> }]
        : [],
    );
  const argsOf: RecordedEvents['argsOf'] = (call) =>
    calls.flatMap((entry) => (entry.call !== 'publish' && entry.call === call ? [entry.args] : []));
  return { live, calls, of, argsOf, clear: () => void calls.splice(0) };
}
