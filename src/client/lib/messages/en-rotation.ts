// Another key for the backup, after a device was removed.
export const enRotation = {
  'rotation.banner': 'A device you removed still knows the key of your backup.',
  'rotation.bannerText': 'With your password the backup gets a new one.',
  'rotation.open': 'New key…',
  'rotation.title': 'Shut the removed device out of your backup',
  'rotation.text':
    'The device you removed is logged out, but it still knows the key of your backup: with the server’s help it could read what is backed up from now on. Enter your password to give the backup a new key. Nothing you wrote is lost, and your other devices get the key by themselves.',
  'rotation.make': 'Make a new key',
  'rotation.making': 'Making a new key…',
  'rotation.later': 'Later',
  'rotation.done': 'Your backup has a new key',
  'rotation.doneText': 'Your other devices get it by themselves.',
  'rotation.takeTitle': 'Get the new key of your backup',
  'rotation.takeText':
    'Another device of yours gave the backup a new key. This one gets it when that device is online, or now with your password.',
  'rotation.take': 'Get the key',
  'rotation.openTake': 'Get the key…',
  'rotation.taken': 'This device has the new key',
  'rotation.takenText': 'What was waiting here is backed up again.',
} as const;
