// Every numeric limit of the product, once, with its unit. Server enforces, client shows.
// Entries marked "wire" equal constants of src/crypto/constants.ts (pinned by a test).

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Lengths in characters unless the name says bytes; durations in milliseconds (suffix Ms). */
export const limits = {
  // People and sign-in
  usernameMin: 3,
  usernameMax: 32,
  displayNameMax: 64,
  passwordMin: 10,
  passwordMax: 1024,
  bioMax: 500,
  pronounsMax: 50,
  deviceLabelMax: 64,
  instanceNameMax: 64,
  accessTokenMs: 15 * MINUTE,
  refreshTokenMs: 30 * DAY,
  refreshGraceMs: 10 * SECOND,
  lockoutTries: 10,
  lockoutMs: 15 * MINUTE,
  /** Failures per account and hour after which unknown devices wait `slowLoginMs` per try. */
  slowLoginAfter: 100,
  slowLoginMs: 30 * SECOND,
  sessionsPerAccount: 50,
  /** How long a session counts as fresh after its person proved to be themselves. */
  freshMs: 10 * MINUTE,
  /** Life of challenges for passkeys and of the ticket a second factor is answered with. */
  ticketMs: 5 * MINUTE,
  backupCodes: 8,
  /** A link that sets a new password, made by whoever runs the server. */
  passwordResetCodeBytes: 24,
  passwordResetMs: DAY,
  /** How often an account may start over: what each log said is kept. */
  identityResets: 16,
  /** How many of the logs before are shown with an account's log. */
  formerLogsShown: 3,
  passkeysPerAccount: 10,
  passkeyNameMax: 64,
  passkeyCredentialIdBytes: 1023,
  passkeyStructureBytes: 4096,
  vaultBytes: 4096,
  kdfMemoryMinKiB: 64 * 1024,
  kdfMemoryMaxKiB: 256 * 1024,
  kdfPassesMin: 3,
  kdfPassesMax: 10,

  // Devices and keys (wire)
  devicesPerAccount: 24,
  /** How long direct messages wait for a new device's first prekeys before going on without it. */
  newDeviceMs: 5 * MINUTE,
  accountLogEntries: 512,
  accountLogEntryBytes: 1024,
  accountLogsPerCall: 50,
  prekeyUnits: 64,
  prekeyUnitBytes: 2048,
  prekeySetBytes: 2048,
  prekeyRefillAt: 16,
  prekeyClaimDevicesPerCall: 25,
  prekeyClaimsPerPairAndHour: 3,
  prekeyClaimsPerTargetAndHour: 60,

  // Leases of devices
  leaseEpochBytes: 16,
  /** Epochs a device remembers and shows; a server restored from a backup older than these takes it for a copy. */
  leaseHistory: 128,
  /** How often a device that stays connected moves on to a new epoch. */
  leaseRenewMs: HOUR,
  /** A state that is not the newest has to show itself twice, so far apart: what was under way for long is said once. */
  leaseSettleMs: 3 * SECOND,

  // Linking a device (the parcel's bound is wire)
  linkParcelBytes: 4096,
  /** How long a code is good, and then how long the log-in that was granted. */
  linkMs: 2 * MINUTE,
  /** Codes on show at once on the whole instance. */
  linksOpen: 5000,

  // Mailbox (protocol P12)
  packetBytes: 4096,
  packetsPerSend: 64,
  mailboxPerSender: 200,
  mailboxPackets: 5000,
  mailboxBytes: 8 * 1024 * 1024,
  mailboxMs: 60 * DAY,
  mailboxPage: 200,

  // Backup (wire but for the total)
  backupEntries: 1 << 20,
  backupEntryBytes: 24 * 1024,
  backupManifestBytes: 512,
  backupAppendEntries: 256,
  backupAppendBytes: 512 * 1024,
  /** Bytes of entries in one answer: what the worker takes in at once, and well under what a socket may have unsent. */
  backupPageBytes: 128 * 1024,
  /** All entries of one account. 10^5 messages take 4 MB, or 8 MB where all are direct messages. */
  backupBytes: 256 * 1024 * 1024,
  /** Keys one account's backup can have had; each is due to an entry of the account's log. */
  backupVersions: 512,

  // Communities
  communityNameMax: 64,
  communityDescriptionMax: 2048,
  communitiesPerAccount: 100,
  communityMembers: 10_000,
  groupsPerCommunity: 200,
  groupNameMax: 64,
  channelsPerCommunity: 500,
  channelNameMax: 64,
  topicMax: 512,
  /** Accounts that may read one channel until the fast crypto backend (protocol P11). */
  readersPerChannel: 250,
  rolesPerCommunity: 100,
  roleNameMax: 64,
  rolesPerMember: 50,
  nicknameMax: 64,
  banReasonMax: 500,
  slowModeMaxMs: 6 * HOUR,
  membersPage: 100,
  audienceSlice: 1000,

  // Invites
  inviteCodeBytes: 12,
  inviteExpiryMinMs: HOUR,
  inviteExpiryMaxMs: 365 * DAY,
  inviteUsesMax: 10_000,
  invitesPerCommunity: 200,
  /** How long an invite that lets nobody in any more is kept. */
  deadInviteMs: 30 * DAY,

  // Messages
  messageMax: 4000,
  envelopeBytes: 96 * 1024,
  chainCertBytes: 512,
  mentionsPerMessage: 50,
  reactionsPerMessage: 20,
  pageMessages: 50,
  relatedPerMessage: 100,
  gapEvents: 500,
  chainCertsPerCall: 100,
  mentionsShown: 99,
  commitBatch: 500,
  /** From one batch of sends to the next while sends come together: at most 100 commits per second in all lanes. */
  commitGatherMs: 10,
  dmsPerAccount: 1000,
  /** How long the payload of a replaced edit is kept; its row stays. */
  supersededEditMs: 30 * DAY,
  /** How long a channel with the history policy `ephemeral` keeps what is written in it. */
  ephemeralMs: DAY,

  // Live
  authenticationMs: 10 * SECOND,
  socketsPerDevice: 8,
  socketsPerAccount: 32,
  socketOperations: 64,
  socketSubscriptions: 4,
  socketBufferedBytes: 1024 * 1024,
  frameBytes: 1024 * 1024,
  presenceWatch: 200,
  presenceCoalesceMs: 2 * SECOND,
  offlineGraceMs: 30 * SECOND,
  typingEveryMs: 3 * SECOND,
  typingShownMs: 6 * SECOND,
  seqHoleMs: 200,
  /** How long a channel rests after a message: microseconds per listener, from the least worth a timer to the most. */
  fanOutRestUs: 120,
  fanOutRestMinMs: 5,
  fanOutRestMaxMs: 60,
  sessionRecheckMs: MINUTE,
  /** How often the server asks a socket for a sign of life, and how long a client that hears nothing waits. */
  signOfLifeMs: 20 * SECOND,
  silenceMs: 45 * SECOND,
  /** How long a server that goes down waits for calls in flight. */
  drainMs: 5 * SECOND,
  /** Rows of a page of the export, and how much of a channel's log one page looks through. */
  exportPage: 500,
  exportStretch: 5000,
  /** How often a node that cannot reach the others brings its sockets up to date from the database. */
  aloneResyncMs: 10 * SECOND,
  httpBodyBytes: 9 * 1024 * 1024,
} as const;

/** Token buckets by class (architecture §6): burst, refilled per second, per device. */
export const rateLimits = {
  send: { burst: 10, perSecond: 5 },
  mutate: { burst: 30, perSecond: 10 },
  query: { burst: 120, perSecond: 60 },
  keys: { burst: 60, perSecond: 20 },
  ephemeral: { burst: 10, perSecond: 5 },
  /** Per address, before log-in. */
  anonymous: { burst: 30, perSecond: 2 },
  /** Per address: a code on show asks once a second whether somebody read it. */
  relay: { burst: 60, perSecond: 10 },
  /** Per address, password checks and registration: stricter. */
  credentials: { burst: 10, perSecond: 0.2 },
} as const;

export type RateClass = keyof typeof rateLimits;
