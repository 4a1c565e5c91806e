// The words of the app behind the log-in: they come with it (app-texts.ts).
import { enChat } from './en-chat.ts';
import { enCommunity } from './en-community.ts';
import { enRepair } from './en-repair.ts';
import { enRotation } from './en-rotation.ts';
import { enVerify } from './en-verify.ts';

export const enApp = {
  ...enChat,
  ...enCommunity,
  ...enRepair,
  ...enRotation,
  ...enVerify,
} as const;
