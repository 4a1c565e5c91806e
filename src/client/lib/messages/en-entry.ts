// The words of the screens before anybody is signed in, and of what they share with the rest. A test holds those screens
// to these tables (test/architecture/entry-words.test.ts).
import { enAccount } from './en-account.ts';
import { enCommon } from './en-common.ts';
import { enErrors } from './en-errors.ts';
import { enLinking } from './en-linking.ts';
import { enReset } from './en-reset.ts';
import { enSecurity } from './en-security.ts';
import { enSession } from './en-session.ts';
import { enSettings } from './en-settings.ts';

export const enEntry = {
  ...enAccount,
  ...enCommon,
  ...enErrors,
  ...enLinking,
  ...enReset,
  ...enSecurity,
  ...enSession,
  ...enSettings,
} as const;
