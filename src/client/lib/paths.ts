// Where things are in this app. Pages and components link by these; routes.ts holds the patterns.
export type SettingsSection = 'profile' | 'account' | 'security' | 'devices' | 'appearance';

export const paths = {
  start: '/',
  setup: '/setup',
  login: '/login',
  register: '/register',
  recover: '/recover',
  link: '/link',
  invite: (code: string) => `/invite/${encodeURIComponent(code)}`,
  community: (communityId: string, channelId?: string | null) =>
    channelId == null ? `/c/${communityId}` : `/c/${communityId}/${channelId}`,
  dm: (channelId?: string | null) => (channelId == null ? '/dm' : `/dm/${channelId}`),
  settings: (section?: SettingsSection) => (section === undefined ? '/settings' : `/settings/${section}`),
} as const;
