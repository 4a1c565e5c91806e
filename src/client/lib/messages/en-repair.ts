// Sessions that are stuck, and devices that were copied.
export const enRepair = {
  'repair.stuck': 'The secure connection with {name} is stuck.',
  'repair.stuckText': 'Some messages between the two of you don’t open. Repair starts a fresh one.',
  'repair.stuckOwn': 'The secure connection with one of your own devices is stuck.',
  'repair.stuckOwnText': 'Some of your messages don’t open on it, or here. Repair starts a fresh one.',
  'repair.rowText':
    'The key for it didn’t work in this browser, and asking {name}’s device several times didn’t help. “Repair” above starts a fresh secure connection.',
  'repair.action': 'Repair',
  'repair.working': 'Repairing…',
  'repair.started': 'A fresh secure connection was started',
  'repair.startedText': 'What didn’t open does so as soon as {name}’s device answers.',
  'repair.startedOwn': 'What didn’t open does so as soon as your other device answers.',

  'copied.title': 'This device exists twice',
  'copied.banner': 'This device exists twice.',
  'copied.stopped': 'Nothing is sent or received on it any more.',
  'copied.what': 'What to do',
  'copied.text':
    'The keys of this browser are also in use somewhere else: its profile was copied, or an old backup of it was put back. Two copies can’t both go on without losing messages, so both have stopped.',
  'copied.stranger':
    'If you didn’t copy or restore anything, someone else may have. Then whoever has the copy can read what this browser could.',
  'copied.next':
    'Log out here and remove this device, then log in again: you get fresh keys and your whole history, and the other copy is logged out.',
  'copied.unsent': {
    one: '{n} message hasn’t been sent. It goes with this device: copy it somewhere first.',
    other: '{n} messages haven’t been sent. They go with this device: copy them somewhere first.',
  },
  'copied.later': 'Not now',
  'copied.noSending': 'This device exists twice, so nothing is sent from it.',
} as const;
