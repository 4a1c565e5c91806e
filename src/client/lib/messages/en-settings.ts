// Settings of one's own account and this app; pages for when the app cannot start.
export const enSettings = {
  'settings.nav': 'Settings',
  'settings.title': 'Settings',
  'settings.backToChat': 'Back to the conversations',
  'settings.profile': 'Profile',
  'settings.account': 'Account',
  'settings.security': 'Security',
  'settings.devices': 'Devices',
  'settings.appearance': 'Appearance',
  'settings.saved': 'Saved',
  'settings.save': 'Save changes',
  'settings.bio': 'About you',
  'settings.bioHint': 'Shown on your profile. The server can read it.',
  'settings.pronouns': 'Pronouns',
  'settings.usernameNote': 'People find you as @{username}.',
  'settings.presence': 'How others see you',
  'settings.presenceInvisible': 'Invisible',
  'settings.presenceInvisibleText': 'Others see you as offline.',
  'settings.devicesLead':
    'Each device has its own keys. Whatever is listed here can read your messages; nothing else can.',
  'settings.unattached': 'Not yet one of your devices',
  'settings.from': 'From {address}',
  'settings.logOutEverywhere': 'Log out everywhere',
  'settings.logOutEverywhereText':
    'Ends every session within a second, this one included. Devices keep their keys.',
  'settings.logOutEverywhereTitle': 'Log out everywhere?',
  'settings.logOutHere': 'Log out of this browser',
  'settings.removeTitle': 'Remove this browser',
  'settings.removeHere': 'Log out and remove this device',
  'settings.revokeTitle': 'Log out there?',
  'settings.revokeText':
    '{name} is logged out within a second. It keeps its keys for the next time it logs in.',
  'settings.lastSeen': 'last seen {when}',
  'backup.title': 'Backup of your keys',
  'backup.lead':
    'The keys of your messages are kept on the server, sealed so that only your devices, your password or your recovery code open them. A new browser reads everything from there.',
  'backup.done': 'All keys backed up',
  'backup.waiting': 'Keys that are only on this device so far: {count}',
  'backup.restoring': 'Fetching your keys …',
  'backup.old':
    'The server returned an old backup (expected {expected} entries or more, got {got}). It is not used, and nothing more is backed up until the server shows the right one.',
  'backup.changed':
    'The server returned a changed backup (of {expected} entries, at {got}). It is not used, and nothing more is backed up until the server shows the right one.',
  'backup.forked':
    'The server returned another backup than the one your account’s log names. It is not used, and nothing more is backed up until the server shows the right one.',
  'backup.otherKey':
    'Your backup has a new key, which this device does not have yet. It comes from your other devices when one of them is online, or with your password. Until then nothing is lost; it waits here.',
  'settings.systemText': 'Changes when your system does.',
  'settings.lightText': 'Paper and terracotta.',
  'settings.darkText': 'Brown-black and coral.',
  'settings.modeText': 'Kept in this browser.',

  'insecure.title': 'This address isn’t secure',
  'insecure.why':
    'Your browser lets a page encrypt only when it came over https, or from this very machine. {address} is neither, so no key can be made or used here.',
  'insecure.ways': 'Three ways out',
  'insecure.localTitle': 'On the machine that runs it',
  'insecure.localText': 'Open {address} there. It works without a certificate.',
  'insecure.tunnelTitle': 'From this machine, through a tunnel',
  'insecure.tunnelText': 'Run this here, leave it open, then go to {address}:',
  'insecure.httpsTitle': 'For everybody: https',
  'insecure.httpsText':
    'Whoever runs the server puts a certificate in front of it (a reverse proxy, or the tunnel in docker-compose.yml) and sets PUBLIC_URL to its https address.',

  'unreachable.title': 'The server doesn’t answer',
  'unreachable.text': 'Nothing is lost. Check your connection, or ask whoever runs {address}.',
} as const;
