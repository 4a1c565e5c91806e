// When nothing opens the keys any more: the operator's link, and starting over with a new identity.
export const enReset = {
  'startOver.linkTitle': 'Set a new password',
  'startOver.linkLead':
    'Whoever runs this server gave you this link. It works once: it logs you in, ends every other session and turns two-step log-in off.',
  'startOver.linkCut':
    'This link isn’t complete. Open it again exactly as you got it, or ask whoever runs this server for a new one.',
  'startOver.setPassword': 'Set password',

  'startOver.closedTitle': 'You’re in, but your keys stay closed.',
  'startOver.closedLead':
    'This password doesn’t open them, and neither can whoever runs this server. One of these can:',
  'startOver.closedWarning':
    'Nobody gave you a link to set a new password lately? Then something is wrong here: ask whoever runs this server before you go on.',
  'startOver.useCode': 'Use your recovery code',
  'startOver.useDevice': 'Use a device that’s logged in',
  'startOver.neither': 'I have neither',

  'startOver.title': 'Start over with new keys?',
  'startOver.lead': 'Your account stays, its keys are made anew. This can’t be undone.',
  'startOver.lostTitle': 'What is lost',
  'startOver.lostMessages':
    'You can’t read what was written before any more: not here, not on any of your devices. The backup is erased.',
  'startOver.lostShared':
    'Only where a channel shares its history with newcomers, what others wrote there comes back.',
  'startOver.lostCode': 'Your old recovery code opens nothing, even if you find it later.',
  'startOver.lostDevices': 'All your devices are logged out and removed.',
  'startOver.othersTitle': 'What others notice',
  'startOver.othersTold': 'People you talk to are told, and let your new keys in with one tap.',
  'startOver.othersVerified': 'Whoever had checked you sends you nothing until they’ve looked at it.',
  'startOver.othersYou': 'People you had checked count as not checked; compare with them again.',
  'startOver.staysTitle': 'What stays',
  'startOver.staysAccount': '@{username}, your password, communities, roles and conversations.',
  'startOver.staysWritten': 'What you wrote, for everybody who could read it before.',
  'startOver.typeName': 'Type {username} to go on',
  'startOver.nameDiffers': 'That’s another name.',
  'startOver.goOn': 'Start over',
  'startOver.codeLead':
    'It’s the spare key to your new keys, shown only once. Nothing has changed yet: you start over once you’ve typed it back.',
  'startOver.finishing': 'Starting over…',
  'startOver.doneTitle': 'You’ve started over.',
  'startOver.doneText': 'Tell the people you talk to, so that they know it’s you.',

  'startOver.strangeTitle': 'Your account started over elsewhere',
  'startOver.strangeLead':
    '@{username} has other keys than this browser knew. If that was you, go on: the old keys and the messages they open are erased here.',
  'startOver.strangeWarning':
    'If it wasn’t you, someone else has your account: don’t go on, and tell whoever runs this server.',
  'startOver.take': 'It was me, go on',
  'startOver.notMe': 'It wasn’t me',
  'startOver.taking': 'Taking the new keys…',
} as const;
