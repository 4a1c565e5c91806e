// Sessions that are stuck, and devices that were copied.
export const enRepair = {
  'repair.stuck': 'The secure connection with {name} is stuck.',
  'repair.stuckText': 'Some messages between your devices don’t open. Repair starts a fresh one.',
  'repair.stuckOwn': 'The secure connection with one of your own devices is stuck.',
  'repair.stuckOwnText': 'Some of your messages don’t open on it, or here. Repair starts a fresh one.',
  'repair.rowText':
    'Its key didn’t fit this browser, and asking {name}’s device several times didn’t help. Repair starts a fresh secure connection.',
  'repair.action': 'Repair',
  'repair.working': 'Repairing…',
  'repair.started': 'A fresh secure connection was started',
  'repair.startedText': 'What didn’t open does so as soon as {name}’s device answers.',
  'repair.startedOwn': 'What didn’t open does so as soon as your other device answers.',
} as const;
