// Publishing prekeys: a set is stored before it is uploaded and repeated byte-identical until it is confirmed; a server
// that keeps claiming it has none is not believed more than once in a while.
import {
  confirmPrekeyUpload,
  fromBase64Url,
  makePrekeySet,
  prekeyDuty,
  tapeRng,
  toBase64Url,
  type DeviceSecrets,
  type PrekeyRecord,
} from '#crypto/index.ts';
import type { PrekeyStatus } from '#shared/devices.ts';
import type { EngineCore } from './engine-core.ts';
import { PREKEYS_AGAIN_MS } from './engine-limits.ts';
import type { CryptoApi } from './protocol.ts';
import { keys } from './records.ts';

/** A set with its 64 units; their X25519 keys are made ahead. */
async function newSet(
  core: EngineCore,
  record: PrekeyRecord,
  options: { readonly device: DeviceSecrets; readonly now: number },
): Promise<PrekeyRecord> {
  const tape = tapeRng(core.rng);
  const ahead = core.ahead();
  await ahead.prepare([() => makePrekeySet(record, options, tape.record)]);
  return ahead.use(() => makePrekeySet(record, options, tape.replay));
}

export function prekeyCalls(core: EngineCore): Pick<CryptoApi, 'preparePrekeys' | 'prekeysPublished'> {
  return {
    preparePrekeys: ({ status, now }: { status: PrekeyStatus; now: number }) =>
      core.run(async (unit, own) => {
        const record = await unit.get<PrekeyRecord>(keys.prekeys);
        if (!record) return null;
        const setHash = status.setHash === null ? null : fromBase64Url(status.setHash);
        const duty = prekeyDuty(record, { ...status, setHash }, now);
        if (duty === null) return null;
        if (duty !== 'retry') {
          // Every set is a new secret to keep: whatever the server says, they are not made one after the other.
          const madeAt = await unit.get<number>(keys.prekeysMadeAt);
          if (madeAt !== undefined && Math.abs(now - madeAt) < PREKEYS_AGAIN_MS) return null;
          unit.put(keys.prekeysMadeAt, now);
        }
        const next =
          duty === 'retry' ? record : await newSet(core, record, { device: own.self.secrets, now });
        unit.put(keys.prekeys, next);
        const { pending } = next;
        return pending && { set: toBase64Url(pending.set), units: pending.units.map(toBase64Url) };
      }),
    prekeysPublished: () =>
      core.run(async (unit) => {
        const record = await unit.get<PrekeyRecord>(keys.prekeys);
        if (record?.pending) unit.put(keys.prekeys, confirmPrekeyUpload(record, record.pending.setId));
      }),
  };
}
