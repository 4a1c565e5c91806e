// Every procedure there is. Clients import its type only.
import { authRouter, vaultRouter } from './domains/auth/auth.router.ts';
import { devicesRouter } from './domains/devices/devices.router.ts';
import { prekeysRouter } from './domains/devices/prekeys.router.ts';
import { instanceRouter } from './domains/instance/instance.router.ts';
import { mailboxRouter } from './domains/mailbox/mailbox.router.ts';
import { sessionsRouter } from './domains/sessions/sessions.router.ts';
import { usersRouter } from './domains/users/users.router.ts';
import { router } from './trpc.ts';

export const appRouter = router({
  auth: authRouter,
  devices: devicesRouter,
  instance: instanceRouter,
  mailbox: mailboxRouter,
  prekeys: prekeysRouter,
  sessions: sessionsRouter,
  users: usersRouter,
  vault: vaultRouter,
});

export type AppRouter = typeof appRouter;
