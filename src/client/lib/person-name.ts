import type { Profile } from '#shared/users.ts';
import { t } from './i18n.ts';

/** How a person is called; who deleted the account has no name any more. */
export const personName = (profile: Pick<Profile, 'displayName' | 'isDeleted'>): string =>
  profile.isDeleted ? t('person.deleted') : profile.displayName;
