// The table of background work. A later feature adds its file and its line.
import { databaseCheckpoint } from './database-checkpoint.job.ts';
import { databaseMaintenance } from './database-maintenance.job.ts';
import { databaseSnapshot } from './database-snapshot.job.ts';
import { ephemeralMessages } from './ephemeral-messages.job.ts';
import { expiredInvites } from './expired-invites.job.ts';
import { expiredLinks } from './expired-links.job.ts';
import { expiredSessions } from './expired-sessions.job.ts';
import { idleAudiences } from './idle-audiences.job.ts';
import type { Job } from './job.ts';
import { oldPackets } from './old-packets.job.ts';
import { oldRuns } from './old-runs.job.ts';
import { supersededEdits } from './superseded-edits.job.ts';
import { typing } from './typing.job.ts';
import { usedPrekeys } from './used-prekeys.job.ts';

export const jobs: readonly Job[] = [
  databaseCheckpoint,
  databaseMaintenance,
  databaseSnapshot,
  ephemeralMessages,
  expiredInvites,
  expiredLinks,
  expiredSessions,
  idleAudiences,
  oldPackets,
  oldRuns,
  supersededEdits,
  typing,
  usedPrekeys,
];
