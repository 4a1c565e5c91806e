// Bounds of the engine that are not on the wire.
const MINUTE = 60_000;

/** Packets the server takes with one send; pinned to `limits.packetsPerSend` by a test. */
/** Logs of before an identity reset kept per account, and entries of them verified. */
export const MAX_FORMER_LOGS = 3;
export const MAX_FORMER_ENTRIES = 512;
export const PACKETS_PER_SEND = 64;
/** Replaced own chains kept per channel to answer readers who missed them. */
export const MAX_OLD_OWN_CHAINS = 8;
/** Changes of a channel's history policy that are told. */
export const MAX_POLICY_CHANGES = 16;
/** Ephemeral ones are used for an hour each and gone after a day. */
export const MAX_OLD_EPHEMERAL_CHAINS = 24;
/** A message is encrypted anew where its chain is over before it could well have arrived. */
export const SEND_WITHIN_MS = 10 * MINUTE;
/** Packets parked until a log or a certificate arrives. */
export const MAX_PARKED = 500;
/** Of these, from one device: nobody's waiting packets push out everybody else's. */
export const MAX_PARKED_PER_DEVICE = 100;
/** How often a parked packet is tried again before it is given up: a connection that comes and goes costs some of them. */
export const MAX_PARKED_TRIES = 8;
/** A missing chain is asked for at most once in this time … */
export const ASK_AGAIN_MS = MINUTE;
/** … and this often in an hour. */
export const ASKS_PER_HOUR = 6;
/** Devices asked at a time for a chain that every reader may hand on; the next time the next ones. */
export const ASK_DEVICES = 4;
export const HOUR_MS = 60 * MINUTE;
/** Epochs of leases; pinned to `limits.leaseEpochBytes` and `limits.leaseHistory` by a test. */
export const LEASE_EPOCH_BYTES = 16;
export const LEASE_HISTORY = 128;
/** Mailbox positions remembered, to tell a packet that comes twice from one that was made under an old state. */
export const MAX_TAKEN = 128;
/** Direct messages without a key remembered per device until it is asked. */
export const MAX_MISSING = 16;
/** Keys of direct messages sent again to one device that asks, the newest ones. */
export const MAX_SENT_AGAIN = 1000;
/** When the server refused prekeys for a new session (3 an hour from one person), it is asked again after this time. */
export const OPEN_AGAIN_MS = 10 * MINUTE;
/** Epoch boundaries remembered per channel. */
export const MAX_EPOCHS = 64;
/** Removed accounts remembered per channel. */
export const MAX_REMOVED = 1000;
/** Requests for chains waiting for an answer. */
export const MAX_REQUESTS = 200;
/** Keys of newer backup versions that wait for their list. */
export const MAX_BACKUP_KEYS = 8;
/** Message keys of one device that wait for their message. */
export const MAX_WAITING_DM_KEYS = 2048;
/** A new prekey set for a server that says the last one is gone or used up, at most this often. */
export const PREKEYS_AGAIN_MS = 5 * MINUTE;
/** Different certificates kept for one chain id: a server that shows more is lying about all but one. */
export const MAX_CERTS_PER_CHAIN = 4;
/** Content keys kept in one bucket of the archive; a bucket is 2^20 ms of messages. */
export const MAX_KEYS_PER_BUCKET = 4096;
/** Heads of the backup go into the log after a day, later and later as it grows, and never beyond so many entries. */
export const BACKUP_HEAD_MS = 24 * HOUR_MS;
export const BACKUP_HEAD_MAX_MS = 64 * BACKUP_HEAD_MS;
export const BACKUP_HEAD_SLOWER_EVERY = 16;
export const BACKUP_HEAD_LAST_SEQ = 448;
