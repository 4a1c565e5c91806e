// Every size, cap and lifetime of the wire (docs/protocol.md). Byte counts are bytes, times are milliseconds.
// src/crypto may import nothing outside itself, so a test pins the entries that src/shared/limits.ts repeats (P16).

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

/** X25519, Ed25519, SHA-256, HKDF-SHA256, HMAC-SHA256, ChaCha20-Poly1305, ML-KEM-768. Anything else is refused. */
export const SUITE = 0x01;
/** Version of every structure of stage 1. */
export const WIRE_VERSION = 1;

// Sizes
export const ID_BYTES = 16;
export const HASH_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;
export const XAEAD_NONCE_BYTES = 24;
export const X25519_KEY_BYTES = 32;
export const ED25519_KEY_BYTES = 32;
export const KEM_PUBLIC_BYTES = 1184;
export const KEM_CIPHERTEXT_BYTES = 1088;
export const KEM_SEED_BYTES = 64;
export const SID_BYTES = 8;
export const CHAIN_ID_BYTES = 8;
export const CHALLENGE_BYTES = 32;
/** A log head as gossiped inside pairwise packets. */
export const HEAD_HASH_BYTES = 16;

/** Labels of SIGN(); each is used for exactly one structure. */
export const SIGN_LABELS = {
  accountLog: 'acct-log',
  deviceCert: 'device-cert',
  prekeySet: 'prekey-set',
  oneTimeUnit: 'otk',
  chainCert: 'chain-cert',
  senderKeyMessage: 'sk-msg',
  attach: 'attach',
  control: 'ctl',
  backupManifest: 'backup',
  rootRotation: 'root-rotate',
} as const;

// First bytes of packets and messages
export const PACKET_PREKEY = 0x10;
export const PACKET_RATCHET = 0x11;
export const PACKET_CONTROL = 0x12;
export const MESSAGE_SENDER_KEY = 0x21;

// Account log (3.2)
export const MAX_LOG_ENTRIES = 512;
export const MAX_LIVE_DEVICES = 24;
/** One signed entry; the longest body of stage 1 is a device certificate. */
export const MAX_LOG_ENTRY_BYTES = 1024;
export const MAX_LOG_BODY_BYTES = 512;
export const MAX_DEVICE_CERT_BYTES = 320;
export const MAX_DEVICE_SUITES = 8;

// Linking (3.3)
export const LINK_SECRET_BYTES = 32;
/** v ‖ mailbox id ‖ typed ephemeral key ‖ secret */
export const LINK_CODE_BYTES = 82;
/** The relay passes nothing longer. */
export const MAX_LINK_PARCEL_BYTES = 4096;
export const LINK_ECHO_PICTURES = 64;
/** A device's name of 64 characters, or a username, as UTF-8. */
export const MAX_DEVICE_LABEL_BYTES = 256;

// Verification (3.18)
export const SAFETY_VERSION = 1;
/** SHA-512 rounds after the first hash. */
export const SAFETY_ROUNDS = 5200;
/** A comparison code, decoded: version, two AIDs, two root fingerprints, a nonce. */
export const COMPARE_CODE_BYTES = 1 + 4 * HASH_BYTES + ID_BYTES;

// Prekeys (3.4, P5)
export const MAX_ONE_TIME_UNITS = 64;
export const ONE_TIME_REFILL_AT = 16;
export const PREKEY_SET_MAX_LIFETIME_MS = 120 * DAY;
export const PREKEY_SET_ROTATION_MS = 7 * DAY;
/** How far a set's signed createdAt may lie in the future of the server time it is checked at. */
export const PREKEY_CLOCK_SKEW_MS = 1 * DAY;
/** Prekey sets whose secrets one device keeps; the oldest goes first. */
export const MAX_KEPT_PREKEY_SETS = 64;
export const MAX_PREKEY_SET_BYTES = 2048;
export const MAX_ONE_TIME_UNIT_BYTES = 2048;
export const MAX_LAST_RESORT_REPLAYS = 4096;

// Double Ratchet and sessions (3.6)
export const MAX_FORWARD_JUMP = 1000;
export const MAX_FORWARD_JUMP_SELF = 5000;
export const MAX_SKIPPED_KEYS = 2000;
export const SKIPPED_KEY_LIFETIME_MS = 30 * DAY;
export const MAX_RECEIVER_CHAINS = 5;
export const MAX_ARCHIVED_SESSIONS = 8;
export const ARCHIVED_SESSION_LIFETIME_MS = 30 * DAY;
export const UNACKNOWLEDGED_SESSION_MS = 14 * DAY;
export const MAX_CHAIN_WITHOUT_TURN = 5000;
export const PQ_REFRESH_MS = 7 * DAY;
export const PQ_REFRESH_MESSAGES = 500;
export const YOUNG_SESSION_MS = 1 * DAY;
/** Resend (3.6): a request counts, and what was sent is remembered, for so long. */
export const RESEND_WINDOW_MS = 14 * DAY;
/** One request per peer device in this time … */
export const RESEND_EVERY_MS = 60 * SECOND;
/** … and so many in an hour, on both sides. */
export const RESENDS_PER_HOUR = 6;
/** How far a request's signed time may lie ahead of the receiver's. */
export const RESEND_CLOCK_SKEW_MS = 1 * DAY;
/** Keys of direct messages in one packet: fits beside a PREKEY header. */
export const MAX_DM_KEYS_PER_PACKET = 20;
/** One mailbox packet (P12); packets carry keys, not bodies. */
export const MAX_PACKET_BYTES = 4096;
/** Packets beside one send (P8). */
export const MAX_PACKETS_PER_SEND = 64;

// Sender keys (3.9)
export const CHAIN_MAX_ITER = 1000;
export const CHAIN_LIFETIME_MS = 7 * DAY;
export const CHAIN_GRACE_MS = 48 * HOUR;
/** P13: what was sent under an ephemeral chain is kept this long, and the chain is used this long only. */
export const EPHEMERAL_MS = 24 * HOUR;
export const EPHEMERAL_CHAIN_MS = HOUR;
export const MAX_SKIPPED_PER_CHANNEL = 4000;
export const MAX_CHAINS_PER_SENDER_DEVICE = 5;
export const MAX_CHAIN_CERT_BYTES = 512;

// Content, envelope, padding (3.11, P3)
export const MAX_CONTENT_BYTES = 65536;
export const MAX_CONTENT_DEPTH = 6;
export const PADDING_FLOOR_BYTES = 128;
export const MAX_BLOBS_PER_EVENT = 10;
export const FRANKING_KEY_BYTES = 32;
export const COMMITMENT_BYTES = 32;
/** Padded content (Padmé adds at most 12 %), header, tag and signature. */
export const MAX_PAYLOAD_BYTES = 81920;
export const MAX_ENVELOPE_BYTES = 98304;

// Vault and password (3.12, P10)
export const MAX_VAULT_BYTES = 4096;
export const MAX_VAULT_SLOTS = 8;
export const KDF_SALT_BYTES = 16;
/** Memory in KiB: 64 MiB … 256 MiB. */
export const KDF_MIN_MEMORY_KIB = 65536;
export const KDF_MAX_MEMORY_KIB = 262144;
export const KDF_MIN_PASSES = 3;
export const KDF_MAX_PASSES = 10;
export const KDF_PARALLELISM = 1;
export const KDF_VERSION = 0x13;
export const MAX_PASSWORD_BYTES = 1024;

// Backup (3.12)
/** Entries of one backup version; its Merkle tree is never higher than this many leaves. */
export const MAX_BACKUP_ENTRIES = 1 << 20;
/** One entry as the server keeps it: header, nonce, sealed payload. */
export const MAX_BACKUP_ENTRY_BYTES = 24 * 1024;
export const MAX_BACKUP_MANIFEST_BYTES = 512;
export const MIN_BACKUP_ID_BYTES = 16;
export const MAX_BACKUP_ID_BYTES = 32;
/** Content keys of direct messages sealed together in one entry. */
export const MAX_DM_KEYS_PER_ENTRY = 256;
/** Own words about one peer (verification). */
export const MAX_PEER_STATE_BYTES = 512;
/** Entries of one append, and their bytes together. */
export const MAX_BACKUP_APPEND = 256;
export const MAX_BACKUP_APPEND_BYTES = 512 * 1024;
