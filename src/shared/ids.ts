// Branded identifiers. Every id is a UUID string on the wire; account, device and event ids are chosen by clients.
import * as z from 'zod/mini';

export const accountIdSchema = z.uuid().brand<'AccountId'>();
export const deviceIdSchema = z.uuid().brand<'DeviceId'>();
export const sessionIdSchema = z.uuid().brand<'SessionId'>();
export const communityIdSchema = z.uuid().brand<'CommunityId'>();
export const groupIdSchema = z.uuid().brand<'GroupId'>();
export const channelIdSchema = z.uuid().brand<'ChannelId'>();
export const roleIdSchema = z.uuid().brand<'RoleId'>();
/** UUIDv7 chosen by the sending client; the event's only id (protocol P2). */
export const eventIdSchema = z.uuidv7().brand<'EventId'>();

export type AccountId = z.infer<typeof accountIdSchema>;
export type DeviceId = z.infer<typeof deviceIdSchema>;
export type SessionId = z.infer<typeof sessionIdSchema>;
export type CommunityId = z.infer<typeof communityIdSchema>;
export type GroupId = z.infer<typeof groupIdSchema>;
export type ChannelId = z.infer<typeof channelIdSchema>;
export type RoleId = z.infer<typeof roleIdSchema>;
export type EventId = z.infer<typeof eventIdSchema>;

/** One endpoint: a device of an account. */
export const deviceRefSchema = z.object({ accountId: accountIdSchema, deviceId: deviceIdSchema });
export type DeviceRef = z.infer<typeof deviceRefSchema>;
