// What the server named as channels' history policies, so that no change of one passes unseen (protocol 3.10, P15). Which
// chains are shared or fade is what their senders signed; this is about what is written next.
import { MAX_POLICY_CHANGES } from './engine-limits.ts';
import type { EngineCore } from './engine-core.ts';
import type { CryptoApi } from './protocol.ts';
import { keys, type PolicyRecord } from './records.ts';

export function policyCalls(core: EngineCore): Pick<CryptoApi, 'notePolicies'> {
  return {
    notePolicies: ({ channels, now }) =>
      core.run(async (unit) => {
        await unit.prefetch(channels.map(({ channelId }) => keys.policy(channelId)));
        const seen: {
          channelId: (typeof channels)[number]['channelId'];
          changes: PolicyRecord['changes'];
        }[] = [];
        for (const { channelId, policy, afterSeq } of channels) {
          const known = await unit.get<PolicyRecord>(keys.policy(channelId));
          const changes =
            !known || known.policy === policy
              ? (known?.changes ?? [])
              : [...known.changes, { at: now, afterSeq, from: known.policy, to: policy }];
          if (known?.policy !== policy) {
            const record: PolicyRecord = { policy, changes: changes.slice(-MAX_POLICY_CHANGES) };
            unit.put(keys.policy(channelId), record);
          }
          if (changes.length > 0) seen.push({ channelId, changes });
        }
        return seen;
      }),
  };
}
