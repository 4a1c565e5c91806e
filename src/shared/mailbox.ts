// The mailbox: per device a queue of pairwise packets, deleted on acknowledgement.
import * as z from 'zod/mini';
import { base64UrlBytes } from './encoding.ts';
import { accountIdSchema, deviceIdSchema, type AccountId, type DeviceId } from './ids.ts';
import { limits } from './limits.ts';

/** One packet on its way to one device. */
export const outgoingPacketSchema = z.object({
  accountId: accountIdSchema,
  deviceId: deviceIdSchema,
  bytes: base64UrlBytes(32, limits.packetBytes),
});
export type OutgoingPacket = z.infer<typeof outgoingPacketSchema>;

export interface MailboxPacket {
  /** Position in this device's queue, rising. */
  readonly seq: number;
  readonly senderAccountId: AccountId;
  readonly senderDeviceId: DeviceId;
  readonly bytes: string;
  readonly createdAt: number;
}

export const pullMailboxInput = z.object({ after: z.int().check(z.gte(0)) });
/** Deletes the packets with exactly these seqs. */
export const ackMailboxInput = z.object({
  seqs: z.array(z.int().check(z.gte(0))).check(z.minLength(1), z.maxLength(limits.mailboxPage)),
});
export const sendPacketsInput = z.object({
  packets: z.array(outgoingPacketSchema).check(z.minLength(1), z.maxLength(limits.packetsPerSend)),
});
/** `gone`: devices that no longer exist or are not certified; their packets were dropped. */
export interface SendPacketsResult {
  readonly gone: readonly DeviceId[];
}
