// All English texts. One file per area; keys are `area.name`, so two files never collide.
import { enApp } from './en-app.ts';
import { enEntry } from './en-entry.ts';

export const en = { ...enEntry, ...enApp } as const;
