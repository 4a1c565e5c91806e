// The line between a tab and the model server: the calls the sync engine makes, each of which may be lost on the way there
// or back, be doubled, or take a while. What breaks a call breaks the socket, as it would.
import { TRPCClientError } from '@trpc/client';
import type { Api } from '#client/api/trpc.ts';
import { decodePrekeySet } from '#crypto/verify.ts';
import { fromBase64Url, toBase64Url } from '#crypto/index.ts';
import { AppError } from '#shared/errors.ts';
import type { Dice } from './dice.ts';
import type { ModelServer, Sender } from './server.ts';

export interface Line {
  isUp: boolean;
  /** Of one call: that it breaks the line, or reaches the server twice. */
  faults: number;
  readonly dice: Dice;
}

/** A tab that is gone hears nothing any more: what waits on this waits for ever. */
export const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

const broken = (): Error => new Error('the line is broken');

function refusalOf(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  const data = { app: error.payload };
  return new TRPCClientError(error.message, {
    result: { error: { message: error.message, code: -32000, data } },
  });
}

/** Lets others go first, `turns` times. */
async function yieldTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
}

interface Procedure<I, O> {
  query(input: I): Promise<O>;
  mutate(input: I): Promise<O>;
}

type Call = <O>(work: () => O) => Promise<O>;

/** One call of a tab, over its line. */
function callOver(server: ModelServer, who: Sender, tab: { line: Line; isDead: () => boolean }): Call {
  const { line, isDead } = tab;
  return async function call<O>(work: () => O): Promise<O> {
    const { dice } = line;
    await yieldTurns(dice.below(6));
    if (isDead()) return never();
    if (!line.isUp) throw broken();
    const fault = dice.chance(line.faults) ? dice.pick(['lost', 'unheard', 'doubled'] as const) : null;
    if (fault === 'lost') line.isUp = false;
    if (!line.isUp) throw broken();
    let answer: { value: O } | { error: unknown };
    try {
      if (!server.isLive(who)) throw new AppError({ code: 'unauthenticated' });
      answer = { value: structuredClone(work()) };
      if (fault === 'doubled') work();
    } catch (error) {
      answer = { error: refusalOf(error) };
    }
    await yieldTurns(dice.below(6));
    if (isDead()) return never();
    if (fault === 'unheard') line.isUp = false;
    if (!line.isUp) throw broken();
    if ('error' in answer) throw answer.error;
    return answer.value;
  };
}

/** The procedures of this device's session. */
export function apiOver(server: ModelServer, who: Sender, tab: { line: Line; isDead: () => boolean }): Api {
  const call = callOver(server, who, tab);
  const procedure = <I, O>(work: (input: I) => O): Procedure<I, O> => {
    const run = (input: I): Promise<O> => call(() => work(input));
    return { query: run, mutate: run };
  };
  const bound = <I, O>(method: (actor: Sender, input: I) => O): Procedure<I, O> =>
    procedure((input: I) => method.call(server, who, input));
  const publish = (input: { set: string; units: readonly string[] }) => {
    const { setId, hash, notAfter } = decodePrekeySet(fromBase64Url(input.set));
    return { set: input.set, setId, hash: toBase64Url(hash), notAfter, units: [...input.units] };
  };
  return {
    channels: { readers: bound(server.readers) },
    devices: { logs: procedure(server.logs.bind(server)), append: bound(server.appendLog) },
    prekeys: {
      status: bound(server.prekeyStatus),
      publish: procedure((input: Parameters<typeof publish>[0]) =>
        server.publishPrekeys(who, publish(input)),
      ),
      claim: bound(server.claim),
    },
    mailbox: { pull: bound(server.pull), ack: bound(server.ack), send: bound(server.sendPackets) },
    messages: {
      send: bound(server.send),
      page: bound(server.page),
      gap: bound(server.gap),
      chainCerts: bound(server.chainCerts),
    },
    backup: {
      status: bound(server.backupStatus),
      entries: bound(server.backupEntries),
      append: bound(server.backupAppend),
    },
  } as unknown as Api;
}
