// Every procedure there is. Clients import its type only.
import { accountRouter } from './domains/auth/account.router.ts';
import { authRouter, vaultRouter } from './domains/auth/auth.router.ts';
import { accountLogRouter, backupRouter } from './domains/backup/backup.router.ts';
import { factorsRouter, passkeysRouter } from './domains/auth/factors.router.ts';
import { channelsRouter, dmsRouter, groupsRouter } from './domains/channels/channels.router.ts';
import { communitiesRouter } from './domains/communities/communities.router.ts';
import { devicesRouter } from './domains/devices/devices.router.ts';
import { prekeysRouter } from './domains/devices/prekeys.router.ts';
import { instanceRouter } from './domains/instance/instance.router.ts';
import { invitesRouter } from './domains/invites/invites.router.ts';
import { linksRouter } from './domains/links/links.router.ts';
import { liveRouter, presenceRouter } from './domains/live/live.router.ts';
import { mailboxRouter } from './domains/mailbox/mailbox.router.ts';
import { cursorsRouter, messagesRouter } from './domains/messages/messages.router.ts';
import { rolesRouter } from './domains/roles/roles.router.ts';
import { sessionsRouter } from './domains/sessions/sessions.router.ts';
import { usersRouter } from './domains/users/users.router.ts';
import { mergeRouters, router } from './trpc.ts';

export const appRouter = router({
  account: accountRouter,
  auth: authRouter,
  backup: backupRouter,
  channels: channelsRouter,
  cursors: cursorsRouter,
  communities: communitiesRouter,
  devices: mergeRouters(accountLogRouter, devicesRouter),
  dms: dmsRouter,
  factors: factorsRouter,
  groups: groupsRouter,
  instance: instanceRouter,
  invites: invitesRouter,
  links: linksRouter,
  live: liveRouter,
  mailbox: mailboxRouter,
  messages: messagesRouter,
  passkeys: passkeysRouter,
  prekeys: prekeysRouter,
  presence: presenceRouter,
  roles: rolesRouter,
  sessions: sessionsRouter,
  users: usersRouter,
  vault: vaultRouter,
});

export type AppRouter = typeof appRouter;
