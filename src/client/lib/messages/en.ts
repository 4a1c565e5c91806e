// All English texts. One file per area; keys are `area.name`, so two files never collide.
import { enAccount } from './en-account.ts';
import { enChat } from './en-chat.ts';
import { enCommon } from './en-common.ts';
import { enCommunity } from './en-community.ts';
import { enErrors } from './en-errors.ts';
import { enLinking } from './en-linking.ts';
import { enRepair } from './en-repair.ts';
import { enReset } from './en-reset.ts';
import { enSecurity } from './en-security.ts';
import { enSession } from './en-session.ts';
import { enSettings } from './en-settings.ts';
import { enVerify } from './en-verify.ts';

export const en = {
  ...enCommon,
  ...enSession,
  ...enChat,
  ...enCommunity,
  ...enErrors,
  ...enSettings,
  ...enAccount,
  ...enVerify,
  ...enSecurity,
  ...enLinking,
  ...enRepair,
  ...enReset,
} as const;
