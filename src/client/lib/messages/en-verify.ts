// Checking that people are who they say they are: shields, safety numbers, codes, invite links that name their maker.
export const enVerify = {
  'shield.verified': 'Verified',
  'shield.linked': 'Known from the invite',
  'shield.unchecked': 'Not checked yet',
  'shield.again': 'Check again',
  'shield.changed': 'Changed',

  'verify.verifiedTitle': 'You verified {name}',
  'verify.byDigits': 'On {date}, by comparing the digits. It covers all of their devices.',
  'verify.byCode': 'On {date}, by reading the code on their screen. It covers all of their devices.',
  'verify.linkedTitle': 'It’s the {name} who invited you',
  'verify.linkedText': 'Your invite link named {name}, and it fits. Compare digits to be sure yourself.',
  'verify.uncheckedTitle': 'You haven’t checked {name} yet',
  'verify.uncheckedText':
    'Messages are encrypted already. Checking makes sure that it’s {name} who reads them, and nobody in between.',
  'verify.againTitle': 'You checked {name} before you started over',
  'verify.againText': 'You have a new identity since, so your digits changed. Compare once more.',
  'verify.blockedText':
    'You had checked who {name} is, and this isn’t the same. Either {name} started over, or someone is posing as {name}. Nothing is sent to {name} until you decide: ask in person or on a call.',
  'verify.notInviterTitle': 'This isn’t the {name} your invite link named.',
  'verify.notInviterText':
    'Either {name} started over since, or someone is posing as {name}. Nothing is sent to {name} until you decide.',

  'verify.check': 'Check it’s really {name}',
  'verify.checkAgain': 'Compare again',
  'verify.takeBack': 'Not sure any more',
  'verify.goOn': 'Go on without checking',
  'verify.goOnTitle': 'Go on without checking {name}?',
  'verify.goOnText':
    'If someone took {name}’s place, they will read what you write to {name} from now on. {name} will count as not checked.',
  'verify.goOnConfirm': 'Go on anyway',

  'verify.title': 'Check that it’s really {name}',
  'verify.text':
    'Sit together, or call each other. On {name}’s device, open this same window for you. If all 60 digits match, nobody is in between.',
  'verify.number': 'Your shared safety number',
  'verify.qr': 'QR code for {name} to scan',
  'verify.scanTheirs': 'Scan {name}’s code',
  'verify.copyDigits': 'Copy digits',
  'verify.copyCode': 'Copy code as text',
  'verify.whenChanges': 'The digits change only if one of you starts over from nothing.',
  'verify.differ': 'They don’t match',
  'verify.match': 'They match',

  'verify.readTitle': 'Scan {name}’s code',
  'verify.readText': 'It’s on {name}’s screen, in the window that checks you.',
  'verify.camera': 'What the camera sees',
  'verify.useCamera': 'Use the camera',
  'verify.cameraRefused':
    'The camera can’t be used here. A picture of the code, or the code as text, does as well.',
  'verify.usePicture': 'Choose a picture',
  'verify.paste': 'Or {name}’s code as text',
  'verify.pasteHint': 'Get it by a way you trust, not through this chat.',
  'verify.checkPasted': 'Check',
  'verify.showMine': 'Show my code',

  'verify.matchedTitle': '{name} is verified',
  'verify.matchedText':
    'It’s really {name}, on every device they have now or add later. {name} still confirms on their own screen, by scanning yours or with “They match”.',
  'verify.differsTitle': 'The digits don’t match',
  'verify.differsText':
    'Did you both open the window for each other, just now? If so, someone may be in between: send {name} nothing you wouldn’t put on a postcard, and tell whoever runs this server, by another way.',
  'verify.impossible':
    'There is nothing to compare with {name} right now: their device list isn’t here, or it contradicts itself.',

  'verify.nothingTitle': 'No code in this picture.',
  'verify.nothingText': 'Take it again, straight on and close enough that the squares are sharp.',
  'verify.notACodeTitle': 'That’s a different kind of code.',
  'verify.notACodeText':
    'Scan the one {name} sees in the window that checks you. Copied text must be complete.',
  'verify.newerTitle': 'That code is from a newer version.',
  'verify.newerText': 'Reload this page, then try again.',
  'verify.ownTitle': 'That’s your own code.',
  'verify.ownText': 'Scan the one on {name}’s screen.',
  'verify.otherPersonTitle': 'That’s {other}’s code, not {name}’s.',
  'verify.otherPersonText':
    'To check {other}, open {other}’s profile. Here, scan the code on {name}’s screen.',
  'verify.forOtherTitle': 'That’s {name}’s code, but it’s for {other}.',
  'verify.forOtherText': 'Ask {name} to open your profile and “Check it’s really” you, then scan that one.',
  'verify.oldTitle': 'That code is from before {name} started over.',
  'verify.oldText': 'Ask {name} to open the window anew on the device they use now.',
  'verify.otherIdTitle': 'That isn’t the {name} this server shows you.',
  'verify.otherIdText':
    'If it’s really {name}’s screen, someone may be in between, or {name} started over a moment ago. Don’t trust this until it’s cleared up.',
  'verify.otherYouTitle': 'It’s {name}, but {name} sees someone else in your place.',
  'verify.otherYouText':
    'If you started over lately, ask {name} to accept your new identity first. If not, someone may be in between: don’t trust this until it’s cleared up.',

  'secure.summary': 'End-to-end encrypted · {people}, {verified}',
  'secure.people': { one: '{n} person', other: '{n} people' },
  'secure.youVerified': { one: '{n} you verified', other: '{n} you verified' },
  'secure.readersVerified': {
    one: '{readers} can read this, {n} you verified',
    other: '{readers} can read this, {n} you verified',
  },
  'secure.deviceCount': '{all} hold the keys: {theirs} of {name}’s, {own} of yours.',
  'secure.sendStoppedUntil': 'Nothing is sent until you’ve looked at {name}’s new identity.',
  'secure.sendStoppedBroken': 'Nothing is sent: {name}’s device list doesn’t add up.',
  'profile.deviceFirst': 'Since {date} · the first one',
  'profile.deviceAdded': 'Since {date} · added with the password',
  'profile.deviceAddedFrom': 'Since {date} · added from {device}',
  'profile.deviceAddedByOther': 'Since {date} · added from another of their devices',
} as const;
