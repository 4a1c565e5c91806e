// The signatures a page of a channel stands on, checked at once before it is opened: each run's newest message, and the
// certificates of chains that come out of the archive (a browser that was just set up sees many).
import {
  chainCertHash,
  parseChainCert,
  verifyChainCert,
  verifyNewest,
  type Ahead,
  type ReceiverChain,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { EngineCore } from './engine-core.ts';
import type { Candidate } from './event-checks.ts';
import { archivedChains } from './key-archive.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Events of one chain in seq order, and the key of its record. */
export type Run = readonly [key: string, events: readonly Candidate[]];

/** Prepares what opening these runs will check. It opens nothing and writes nothing. */
export async function prepareRuns(
  core: EngineCore,
  unit: UnitOfWork,
  { channelId, runs }: { channelId: ChannelId; runs: readonly Run[] },
): Promise<Ahead> {
  const ahead = core.ahead();
  if (!ahead.hasBackend) return ahead;
  const checks: (() => unknown)[] = [];
  for (const [key, run] of runs) {
    const events = run.map(({ incoming }) => incoming);
    const held = await unit.get<ReceiverChain>(key);
    if (held) checks.push(() => verifyNewest(held, events));
    const first = Math.min(...run.map(({ view }) => view.chain!.iter));
    if (held && first >= held.startIter) continue;
    const { event, view, incoming } = run[0]!;
    const { sender } = incoming;
    const wanted = {
      channelId,
      sender,
      senderAccountId: event.senderAccountId,
      chainId: view.chain!.chainId,
    };
    for (const { cert, owner } of await archivedChains(unit, wanted)) {
      checks.push(() => verifyChainCert(cert, owner));
      checks.push(() => {
        const { chainPublicKey } = parseChainCert(cert);
        verifyNewest({ channelId: owner.channelId, certHash: chainCertHash(cert), chainPublicKey }, events);
      });
    }
  }
  await ahead.prepare(checks);
  return ahead;
}
