// A session is bound to the device whose keys this browser holds (protocol P9).
import type { Api } from '#client/api/trpc.ts';
import { CryptoCallError, type CryptoClient } from '#client/crypto/crypto-client.ts';
import type { SessionGrant } from '#shared/auth.ts';

/** Binds the session to this browser's device. Throws CryptoCallError without one. */
export async function attachDevice(
  crypto: CryptoClient['api'],
  http: Api,
  grant: SessionGrant,
): Promise<void> {
  const { accountId, sessionId } = grant;
  const deviceId = await crypto.findDevice({ accountId });
  if (deviceId === null) throw new CryptoCallError('keys');
  const { challenge } = await http.devices.challenge.mutate();
  const signature = await crypto.signAttach({ sessionId, challenge });
  await http.devices.attach.mutate({ deviceId, signature });
}
