// Events there is no key for: why, and whether it can still come (protocol 3.9). Chains that can be asked for are noted.
import { findDevice, idKey, toBase64Url, uuidToBytes, type WithheldCode } from '#crypto/index.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { isRestoring } from './backup-steps.ts';
import { certifiedAt, type Own } from './engine-core.ts';
import { MAX_PARKED } from './engine-limits.ts';
import { failed, withheldReasons, type Candidate } from './event-checks.ts';
import { signedCert } from './fading.ts';
import { logOfDevice } from './former-logs.ts';
import type { DecryptResult } from './protocol.ts';
import type { BackupRecord } from './backup-records.ts';
import { keys, type AskedRecord, type PeerRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Event id (hex) → channel, for direct messages whose key is not here yet. */
export type WaitingEvents = Map<string, ChannelId>;

const withheldBy = (eventId: EventId, code: WithheldCode): DecryptResult => ({
  eventId,
  status: 'failed',
  reason: 'withheld_by_sender',
  withheld: withheldReasons[code],
});

/** What an event without a key is: from before this device, or waited for. */
export async function withoutKey(
  unit: UnitOfWork,
  own: Own,
  { event, waiting, isShared = false }: { event: ChannelEvent; waiting: WaitingEvents; isShared?: boolean },
): Promise<DecryptResult> {
  const { eventId } = event;
  const isOwnDevice = event.senderDeviceId === own.self.deviceId;
  if (isOwnDevice || event.createdAt < certifiedAt(own)) {
    const isOpen = !isOwnDevice && isRestoring(await unit.get<BackupRecord>(keys.backup));
    if (isOpen) return { eventId, status: 'pending', reason: 'restoring' };
    if (isOwnDevice || !isShared) return failed(eventId, 'before_device');
  }
  // Its sender has other keys now, and nobody else may hand these on: asking would never end.
  if (await isOfFormer(unit, event)) return failed(eventId, 'sender_revoked');
  if (waiting.size >= MAX_PARKED) waiting.clear();
  waiting.set(idKey(uuidToBytes(eventId)), event.channelId);
  return { eventId, status: 'pending', reason: 'key_missing' };
}

/** Whether the device that wrote it belongs to an identity its account gave up. */
async function isOfFormer(unit: UnitOfWork, event: ChannelEvent): Promise<boolean> {
  const peer = await unit.get<PeerRecord>(keys.peer(event.senderAccountId));
  const deviceId = uuidToBytes(event.senderDeviceId);
  return peer !== undefined && !findDevice(peer.log, deviceId) && logOfDevice(peer, deviceId) !== null;
}

/** One group event without its key: refused by its sender, to be asked for, or as `withoutKey` says. */
export async function unopenedEvent(
  unit: UnitOfWork,
  own: Own,
  { candidate, waiting }: { candidate: Candidate; waiting: WaitingEvents },
): Promise<DecryptResult> {
  const { event, view } = candidate;
  const chainId = view.chain!.chainId;
  const code = await unit.get<WithheldCode>(keys.withheld(event.channelId, chainId));
  if (code !== undefined) return withheldBy(event.eventId, code);
  const isShared = await isShareable(unit, candidate);
  const result = await withoutKey(unit, own, { event, waiting, isShared });
  if (result.status === 'pending' && result.reason === 'key_missing') await wish(unit, candidate, isShared);
  return result;
}

/** Whether the sender signed that this chain may be handed to who joins later (A73). */
async function isShareable(unit: UnitOfWork, { event, view }: Candidate): Promise<boolean> {
  const { chainId } = view.chain!;
  return (await signedCert(unit, { event, chainId }, ({ shareable }) => shareable)) !== null;
}

/** Events of a chain that is not here: its certificate is fetched first, for what is said about it depends on it. */
export async function unopenedRun(
  unit: UnitOfWork,
  own: Own,
  { run, waiting }: { run: readonly Candidate[]; waiting: WaitingEvents },
): Promise<DecryptResult[]> {
  const { channelId } = run[0]!.event;
  const chainId = run[0]!.view.chain!.chainId;
  const isShown = (await unit.get<readonly string[]>(keys.certs(channelId, chainId))) !== undefined;
  const results: DecryptResult[] = [];
  for (const candidate of run) {
    const { eventId } = candidate.event;
    const missing = {
      eventId,
      status: 'pending',
      reason: 'cert_missing',
      chainId: toBase64Url(chainId),
    } as const;
    results.push(isShown ? await unopenedEvent(unit, own, { candidate, waiting }) : missing);
  }
  return results;
}

/** Notes the lowest position of a chain to ask for. */
async function wish(unit: UnitOfWork, { event, view }: Candidate, isShared: boolean): Promise<void> {
  const { chainId, iter } = view.chain!;
  const key = keys.asked(event.channelId, chainId);
  const asked = await unit.get<AskedRecord>(key);
  if (asked && asked.iter <= iter) return;
  const owner = { accountId: event.senderAccountId, deviceId: event.senderDeviceId };
  unit.put(key, { owner, chainId, iter, times: asked?.times ?? [], isShared } satisfies AskedRecord);
}
