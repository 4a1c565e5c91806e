// One's own account: getting back in by the recovery code, changing password, code and name, taking data along, ending it.
export const enAccount = {
  'recovery.forgot': 'Forgot your password?',
  'recovery.useTitle': 'Get back in',
  'recovery.useLead':
    'Your recovery code sets a new password and brings back your keys. Every browser that is logged in now will be logged out, and two-step log-in is turned off.',
  'recovery.codeHint': '26 characters in groups of four. Capitals and dashes don’t matter.',
  'recovery.codeMissing': 'Enter your recovery code.',
  'recovery.codeMistyped': 'There’s a slip in that code. Check it against your paper.',
  'recovery.newPassword': 'New password',
  'recovery.continue': 'Continue',
  'recovery.opening': 'Opening your keys…',
  'recovery.wrong': 'That username and recovery code don’t belong together. Check both and try again.',
  'recovery.freshLead':
    'Your old code is used up once you finish. Here’s its replacement, shown only once; keep the old one until you’re in.',
  'recovery.finishing': 'Setting your password…',
  'recovery.noCode':
    'No code either? A device that’s still logged in can let this browser in. If there is none, whoever runs this server can give you a link to set a new password: it lets you start over with new keys, not read what was.',
  'recovery.backToLogIn': 'Back to log in',

  'account.current': 'Current password',
  'account.wrongPassword': 'That isn’t your password.',
  'account.password': 'Password',
  'account.passwordText': 'Logs out every other browser. Your recovery code stays the same.',
  'account.changePassword': 'Change password',
  'account.changing': 'Changing…',
  'account.passwordChanged': 'Password changed',
  'account.passwordChangedText': 'Every other browser was logged out.',
  'account.samePassword': 'That’s the password you have.',
  'account.maybeChanged':
    'The server didn’t answer. Try again; if your password is refused, the new one counts already.',
  'account.code': 'Recovery code',
  'account.codeText': 'If somebody may have seen it, or the paper is gone. The old one stops working.',
  'account.newCode': 'Make a new code',
  'account.makeCode': 'Make the code',
  'account.making': 'Making it…',
  'account.newCodeLead': 'Shown only once. The old code works until you finish, then only this one.',
  'account.codeChanged': 'The new recovery code counts now',
  'account.codeChangedText': 'Throw the old one away.',

  'account.name': 'Username',
  'account.nameText': 'People find you as @{username}, and you log in with it.',
  'account.changeName': 'Change username',
  'account.newName': 'New username',
  'account.nameFree': 'Your old name is free for others at once. Messages and memberships stay yours.',
  'account.sameName': 'That’s the name you have.',
  'account.nameChanged': 'You’re @{username} now',

  'account.export': 'Your data',
  'account.exportText':
    'One file with what this server holds about you and every message this browser can open. It’s put together here and goes nowhere else.',
  'account.exportStart': 'Export my data',
  'account.exporting': 'Collecting…',
  'account.exportingMessages': { one: '{n} message…', other: '{n} messages…' },
  'account.exportFile': 'chatalot-{username}.json',
  'account.exportNote':
    'Not in here: the vault, the sealed backup and the hashes the server checks you with. Messages that this browser cannot open are listed with the reason.',

  'account.delete': 'Delete account',
  'account.deleteText': 'For good. There’s no way back, not even for whoever runs this server.',
  'account.deleteLead':
    'Your name, profile, keys and memberships are erased, and every browser is logged out. What you wrote stays with the people you wrote to, signed “Deleted account”. To remove messages too, delete them first.',
  'account.deleteOwner':
    'You look after this server, and it can’t go on without an owner. As long as others have accounts here, this one can’t be deleted.',
  'account.deletePasses': '{community} goes to {name}.',
  'account.deleteEnds': '{community} is deleted: nobody else is in it.',
  'account.deleteName': 'Type your username to confirm: {username}',
  'account.deleteNameWrong': 'That isn’t your username.',
  'account.deleting': 'Deleting…',
  'account.deleted': 'Your account is deleted',
  'account.deletedText': 'This browser has forgotten its keys and messages too.',
  'person.deleted': 'Deleted account',
  'chat.partnerDeleted': 'This account was deleted. What was said stays here.',
} as const;
