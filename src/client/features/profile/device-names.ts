// The server's word about the devices of an account: what they are called and when they were last there.
import type { Api } from '#client/api/trpc.ts';
import type { DeviceSummary } from '#shared/devices.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';

/** By device id. Only that: asked for from its own bound on, no log has an entry. */
export async function deviceSummaries(
  api: Api,
  accountId: AccountId,
): Promise<ReadonlyMap<string, DeviceSummary>> {
  const accounts = [{ accountId, fromSeq: limits.accountLogEntries }];
  const [log] = await api.devices.logs.query({ accounts });
  return new Map(log?.devices.map((device) => [device.deviceId, device]));
}
