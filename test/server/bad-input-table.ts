// One row per procedure: a well-formed input that names things of Ada's, and what somebody who shares nothing with
// her is answered. The test beside it derives wrong types, oversize values and unknown ids from the same input.
import { randomUUID } from 'node:crypto';
import { toBase64Url } from '#crypto/index.ts';
import type { AppErrorCode } from '#shared/errors.ts';
import type { AccountId, ChannelId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import { backupAppend, backupRotation } from '../support/backup.ts';
import {
  attachSignature,
  makeIdentity,
  makeSecondDevice,
  makeUpload,
  nextPassword,
  registration,
  startingOver,
} from '../support/keys.ts';
import type { Person } from '../support/people.ts';

/** What exists: Ada owns it all, Eve shares nothing with her. */
export interface World {
  readonly ada: Person;
  readonly eve: Person;
  readonly communityId: CommunityId;
  readonly groupId: GroupId;
  readonly channelId: ChannelId;
  readonly roleId: RoleId;
  readonly inviteCode: string;
  readonly eventId: string;
}

/** `answer`: for the foreign input. `answers`: it succeeds, says nothing of Ada's things, and changes nothing. */
export type Foreign = AppErrorCode | readonly AppErrorCode[] | 'answers';

export interface Row {
  /** null: the procedure takes no input. */
  readonly input: ((world: World) => unknown) | null;
  /** Eve sends `input`; absent: the procedure names nothing of others, so only its input is tested. */
  readonly foreign?: Foreign;
  /** Eve sends `input` with every id replaced; absent: as `foreign`. */
  readonly unknown?: Foreign;
  /** Values of the wrong size or form the row wants refused besides the derived ones. */
  readonly refused?: (world: World) => readonly unknown[];
}

const bytes = (length: number): string => toBase64Url(new Uint8Array(length).fill(7));
const deviceRef = ({ accountId, deviceId }: Pick<Person, 'accountId' | 'deviceId'>) => ({
  accountId,
  deviceId,
});
const place = (key: keyof World) => (world: World) => ({ [key]: world[key] });
const member = (world: World) => ({ communityId: world.communityId, accountId: world.ada.accountId });
const none: Row = { input: null };
/** Wrong passwords of all these rows count together. */
const guessed: Foreign = ['bad_credentials', 'locked_out'];

const passkeyId = '01890000-0000-7000-8000-000000000001';
const clientDataJSON = bytes(80);
const assertion = {
  id: bytes(32),
  response: { clientDataJSON, authenticatorData: bytes(37), signature: bytes(70), userHandle: bytes(16) },
};
const attestation = {
  id: bytes(32),
  response: { clientDataJSON, attestationObject: bytes(200), transports: ['internal'] },
};
const codes = () => ['12345', '1234567', '12 345', '１２３４５６'].map((code) => ({ code }));

const accounts: Record<string, Row> = {
  'auth.kdf': { input: () => ({ username: 'somebody' }) },
  'auth.available': { input: () => ({ username: 'somebody' }) },
  'auth.register': {
    input: () => registration(makeIdentity(), 'newcomer'),
    foreign: 'invite_required',
    unknown: 'invite_required',
  },
  'auth.login': {
    input: ({ ada }) => ({ username: ada.username, loginSecret: bytes(32) }),
    foreign: guessed,
  },
  'auth.recoveryVault': {
    input: ({ ada }) => ({ username: ada.username, recoveryAuth: bytes(32) }),
    foreign: guessed,
  },
  'auth.recover': {
    input: ({ ada }) => ({
      username: ada.username,
      recoveryAuth: bytes(32),
      newRecoveryAuth: bytes(32),
      ...nextPassword(ada, ada.vault),
    }),
    foreign: guessed,
  },
  'auth.claimLink': {
    input: () => ({ mailboxId: bytes(16), claim: bytes(32) }),
    foreign: 'not_found',
    refused: () => [
      { mailboxId: bytes(15), claim: bytes(32) },
      { mailboxId: bytes(16), claim: bytes(31) },
    ],
  },
  'account.changePassword': {
    input: ({ ada }) => ({ loginSecret: ada.loginSecret, ...nextPassword(ada, ada.vault) }),
    foreign: guessed,
  },
  'account.changeRecovery': {
    input: ({ ada }) => ({
      loginSecret: ada.loginSecret,
      newRecoveryAuth: bytes(32),
      vault: nextPassword(ada, ada.vault).vault,
    }),
    foreign: guessed,
  },
  'account.changeUsername': {
    input: ({ ada }) => ({ loginSecret: ada.loginSecret, username: 'another' }),
    foreign: guessed,
  },
  'account.export': {
    input: () => ({ part: 'events' }),
    refused: () => [
      { part: 'everything' },
      { part: 'events', after: "x' OR 1=1" },
      { part: 'log', after: '' },
    ],
  },
  'account.deletionPlan': none,
  'account.delete': {
    input: ({ ada }) => ({ loginSecret: ada.loginSecret, username: ada.username }),
    foreign: guessed,
  },
  'auth.resetPassword': {
    input: ({ ada }) => {
      const { kdf, newLoginSecret } = nextPassword(ada, ada.vault);
      return { code: bytes(24), kdf, newLoginSecret };
    },
    foreign: 'reset_invalid',
    refused: () => [{ code: '' }, { code: 'x'.repeat(33) }],
  },
  'account.rotateBackup': {
    input: ({ ada }) => backupRotation(ada, { vault: ada.vault, version: 2, closedCount: 0 }),
    foreign: guessed,
    refused: ({ ada }) => {
      const one = backupRotation(ada, { vault: ada.vault, version: 2, closedCount: 0 });
      return [
        { ...one, version: 1 },
        { ...one, entries: [] },
        { ...one, entries: [bytes(59)] },
        { ...one, manifest: bytes(513) },
      ];
    },
  },
  'account.resetIdentity': {
    input: ({ ada }) => startingOver(makeIdentity(), ada),
    // Eve's session has a device: nothing to start over for.
    foreign: 'conflict',
  },
  'auth.passkeyChallenge': none,
  'auth.passkeyLogin': { input: () => ({ assertion }), foreign: 'bad_credentials' },
  'auth.reauthenticate': {
    input: ({ ada }) => ({
      kind: 'password',
      loginSecret: ada.loginSecret,
      factor: { kind: 'passkey', assertion },
    }),
    foreign: 'bad_credentials',
  },
  'factors.status': none,
  'factors.beginTotp': none,
  'factors.enableTotp': { input: () => ({ code: '123456' }), foreign: 'conflict', refused: codes },
  'factors.disableTotp': {
    input: () => ({ factor: { kind: 'backup', code: '01234-ABCDE' } }),
    foreign: 'conflict',
    refused: () => [{ factor: { kind: 'backup', code: 'OOOOO-IIIII' } }, { factor: { kind: 'ticket' } }],
  },
  'factors.renewBackupCodes': {
    input: () => ({ factor: { kind: 'totp', code: '123456' } }),
    foreign: 'conflict',
  },
  'passkeys.begin': none,
  'passkeys.add': {
    input: () => ({ name: 'Key', attestation }),
    foreign: 'bad_proof',
    refused: () => [
      { name: 'x'.repeat(65), attestation },
      { name: ' ', attestation },
    ],
  },
  'passkeys.rename': { input: () => ({ passkeyId, name: 'Mine' }), foreign: 'not_found' },
  'passkeys.remove': { input: () => ({ passkeyId }), foreign: 'not_found' },
  'auth.refresh': none,
  'auth.logout': { input: () => ({ everywhere: false }) },
  'vault.get': {
    input: ({ ada }) => ({
      loginSecret: ada.loginSecret,
      factor: { kind: 'ticket', ticket: bytes(56) },
    }),
    foreign: guessed,
  },
  'sessions.list': none,
  'sessions.revoke': { input: ({ ada }) => ({ sessionId: ada.actor.sessionId }), foreign: 'not_found' },
  'users.me': none,
  'users.update': { input: () => ({ displayName: 'New', bio: 'x', pronouns: 'x' }) },
  'users.profiles': { input: ({ ada }) => ({ accountIds: [ada.accountId] }), foreign: 'not_found' },
  'instance.info': none,
  'instance.jobs': none,
  'instance.configure': { input: () => ({ name: 'Mine', registration: 'open' }), foreign: 'forbidden' },
};

const keys: Record<string, Row> = {
  'devices.challenge': none,
  'devices.attach': {
    input: ({ ada }) => ({
      deviceId: ada.deviceId,
      signature: attachSignature(ada.device, ada.actor.sessionId, bytes(32)),
    }),
    foreign: 'not_found',
  },
  'devices.append': {
    input: ({ ada }) => ({ entry: toBase64Url(makeSecondDevice(ada).entry), label: 'Mine now' }),
    foreign: 'bad_proof',
    unknown: 'bad_proof',
    refused: ({ ada }) => {
      const { manifest } = backupAppend(ada, { count: 0, entries: 1 });
      const entry = toBase64Url(makeSecondDevice(ada).entry);
      const backups = [{ manifest: bytes(149) }, { manifest: bytes(513) }, { manifest, isUnread: true }];
      const others = [{}, { isUnread: false }, manifest];
      return [
        { entry: bytes(1025) },
        { entry: bytes(63) },
        ...[...backups, ...others].map((backup) => ({ entry, backup })),
      ];
    },
  },
  'devices.logs': {
    input: ({ ada }) => ({ accounts: [{ accountId: ada.accountId, fromSeq: 0 }] }),
    foreign: 'not_found',
    refused: ({ eve }) => [
      { accounts: Array.from({ length: 51 }, () => ({ accountId: eve.accountId, fromSeq: 0 })) },
    ],
  },
  'prekeys.publish': { input: ({ ada }) => makeUpload(ada.device).upload, foreign: 'bad_proof' },
  'prekeys.status': none,
  'prekeys.claim': {
    input: ({ ada }) => ({ targets: [deviceRef(ada)] }),
    foreign: 'answers',
    refused: ({ ada }) => [{ targets: Array.from({ length: 26 }, () => deviceRef(ada)) }],
  },
  'backup.status': none,
  'backup.append': {
    input: ({ ada }) => backupAppend(ada, { count: 0, entries: 1 }),
    foreign: 'bad_proof',
    refused: ({ ada }) => {
      const one = backupAppend(ada, { count: 0, entries: 1 });
      return [
        { ...one, entries: Array.from({ length: 257 }, () => one.entries[0]) },
        { ...one, entries: [bytes(24_577)] },
        { ...one, entries: [] },
        { ...one, manifest: bytes(513) },
        { ...one, version: 0 },
      ];
    },
  },
  'backup.entries': { input: () => ({ version: 1, from: 0, to: 1 }), foreign: 'not_found' },
  'mailbox.pull': { input: () => ({ after: 0 }) },
  'mailbox.ack': { input: () => ({ seqs: [1, 2, 3] }), foreign: 'answers' },
  'mailbox.send': {
    input: ({ ada }) => ({ packets: [{ ...deviceRef(ada), bytes: bytes(40) }] }),
    foreign: 'answers',
    refused: ({ ada }) => [
      { packets: [{ ...deviceRef(ada), bytes: bytes(4097) }] },
      { packets: Array.from({ length: 65 }, () => ({ ...deviceRef(ada), bytes: bytes(40) })) },
    ],
  },
};

const ownDevice: Row = {
  input: ({ ada }) => ({ deviceId: ada.deviceId, label: 'Phone' }),
  foreign: 'not_found',
  refused: ({ ada }) => [
    { deviceId: ada.deviceId, label: '' },
    { deviceId: ada.deviceId, label: 'x'.repeat(65) },
  ],
};

const parcel = { mailboxId: bytes(16), parcel: bytes(100) };
const tooLong = { ...parcel, parcel: bytes(4097) };

const links: Record<string, Row> = {
  'devices.lease': { input: () => ({ epoch: bytes(16), history: [bytes(16)] }) },
  'devices.rename': ownDevice,
  // Another mailbox than the rows below ask for: it may be opened.
  'links.open': { input: () => ({ mailboxId: `A${bytes(16).slice(1)}` }) },
  'links.read': { input: () => ({ mailboxId: bytes(16) }), foreign: 'not_found' },
  'links.close': { input: () => ({ mailboxId: bytes(16) }), foreign: 'answers' },
  'links.ask': { input: () => parcel, foreign: 'not_found', refused: () => [tooLong] },
  'links.meet': { input: () => parcel, foreign: 'not_found', refused: () => [tooLong] },
  'links.approve': {
    input: ({ ada }) => {
      const entry = toBase64Url(makeSecondDevice(ada).entry);
      return { ...parcel, entry, label: 'Phone', claimHash: bytes(32) };
    },
    foreign: ['bad_proof', 'not_found'],
  },
};

const communities: Record<string, Row> = {
  'communities.create': {
    input: () => ({ name: 'Another' }),
    refused: () => [{ name: '   ' }, { name: 'x'.repeat(65) }],
  },
  'communities.get': { input: place('communityId'), foreign: 'not_found' },
  'communities.update': {
    input: ({ communityId }) => ({ communityId, name: 'Mine', description: 'x' }),
    foreign: 'not_found',
  },
  'communities.members': {
    input: ({ communityId, ada }) => ({
      communityId,
      after: { joinedAt: 0, accountId: ada.accountId },
      limit: 10,
    }),
    foreign: 'not_found',
    refused: ({ communityId }) => [
      { communityId, limit: 0 },
      { communityId, limit: 101 },
    ],
  },
  'communities.leave': { input: place('communityId'), foreign: 'not_found' },
  'communities.kick': { input: member, foreign: 'not_found' },
  'communities.ban': { input: (world) => ({ ...member(world), reason: 'x' }), foreign: 'not_found' },
  'communities.unban': { input: member, foreign: 'not_found' },
  'communities.bans': { input: place('communityId'), foreign: 'not_found' },
  'communities.delete': { input: place('communityId'), foreign: 'not_found' },
  'groups.create': { input: ({ communityId }) => ({ communityId, name: 'Mine' }), foreign: 'not_found' },
  'groups.update': { input: ({ groupId }) => ({ groupId, name: 'Mine', position: 1 }), foreign: 'not_found' },
  'groups.delete': { input: place('groupId'), foreign: 'not_found' },
  'channels.create': {
    input: ({ communityId, groupId }) => ({
      communityId,
      groupId,
      name: 'mine',
      topic: 'x',
      historyPolicy: 'shared',
    }),
    foreign: 'not_found',
  },
  'channels.update': {
    input: ({ channelId }) => ({
      channelId,
      name: 'mine',
      topic: 'x',
      position: 1,
      isReadOnly: true,
      isArchived: true,
      slowModeMs: 1000,
      historyPolicy: 'shared',
    }),
    foreign: 'not_found',
  },
  'channels.delete': { input: place('channelId'), foreign: 'not_found' },
  'channels.readers': { input: place('channelId'), foreign: 'not_found' },
  'roles.create': {
    input: ({ communityId }) => ({ communityId, name: 'Mine', bits: 1, colour: 0xff }),
    foreign: 'not_found',
    refused: ({ communityId }) => [{ communityId, name: 'Mine', bits: 1 << 30 }],
  },
  'roles.update': {
    input: ({ roleId }) => ({ roleId, name: 'Mine', bits: 1, colour: null, position: 1 }),
    foreign: 'not_found',
  },
  'roles.delete': { input: place('roleId'), foreign: 'not_found' },
  'roles.assign': {
    input: ({ roleId, eve }) => ({ roleId, accountId: eve.accountId }),
    foreign: 'not_found',
  },
  'roles.unassign': {
    input: ({ roleId, ada }) => ({ roleId, accountId: ada.accountId }),
    foreign: 'not_found',
  },
  'roles.setOverride': {
    input: ({ communityId, channelId, roleId }) => ({ communityId, channelId, roleId, allow: 1, deny: 2 }),
    foreign: 'not_found',
  },
  'invites.create': {
    input: ({ communityId }) => ({ communityId, maxUses: 1, expiresInMs: 3_600_000 }),
    foreign: 'not_found',
    refused: ({ communityId }) => [
      { communityId, maxUses: 0 },
      { communityId, expiresInMs: 1000 },
    ],
  },
  'invites.list': { input: place('communityId'), foreign: 'not_found' },
  'invites.revoke': { input: ({ inviteCode: code }) => ({ code }), foreign: ['not_found', 'invite_invalid'] },
  'invites.preview': { input: () => ({ code: 'A'.repeat(16) }), foreign: 'invite_invalid' },
  'invites.accept': { input: () => ({ code: 'A'.repeat(16) }), foreign: 'invite_invalid' },
  'dms.open': { input: ({ ada }) => ({ accountId: ada.accountId }), foreign: 'not_found' },
};

const conversation: Record<string, Row> = {
  'messages.send': {
    input: ({ ada }) => ({
      envelope: bytes(300),
      packets: [{ ...deviceRef(ada), bytes: bytes(40) }],
      chainCert: bytes(200),
      notify: { accountIds: [ada.accountId], everyone: true },
      dmDevices: [deviceRef(ada)],
    }),
    foreign: ['bad_proof', 'bad_input', 'not_found'],
  },
  'messages.page': { input: ({ channelId }) => ({ channelId, before: 5, limit: 10 }), foreign: 'not_found' },
  'messages.related': {
    input: ({ channelId, eventId }) => ({ channelId, eventId, after: 0 }),
    foreign: 'not_found',
  },
  'messages.gap': { input: ({ channelId }) => ({ channelId, fromSeq: 1, toSeq: 5 }), foreign: 'not_found' },
  'messages.chainCerts': {
    input: ({ channelId }) => ({ channelId, chainIds: [bytes(8)] }),
    foreign: 'not_found',
  },
  'cursors.move': { input: ({ channelId }) => ({ channelId, seq: 1 }), foreign: 'not_found' },
  'presence.set': { input: () => ({ presence: 'dnd' }) },
  'presence.watch': { input: ({ ada }) => ({ accountIds: [ada.accountId] }), foreign: 'conflict' },
  'presence.focus': { input: place('channelId'), foreign: ['conflict', 'not_found'] },
  'presence.typing': { input: place('channelId'), foreign: 'not_found' },
  'live.events': none,
  'live.bootstrap': { input: ({ communityId }) => ({ known: [[communityId, 1]] }), foreign: 'answers' },
};

export const rows: Readonly<Record<string, Row>> = {
  ...accounts,
  ...keys,
  ...links,
  ...communities,
  ...conversation,
};

/** The same input with every id replaced by one that never was. */
export function withUnknownIds(value: unknown): unknown {
  if (typeof value === 'string') return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value) ? unknownId(value) : value;
  if (Array.isArray(value)) return value.map(withUnknownIds);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withUnknownIds(item)]));
}

/** Keeps the version digit: event ids must be UUIDv7. */
const unknownId = (like: string): string => {
  const fresh = randomUUID();
  return `${fresh.slice(0, 14)}${like[14]}${fresh.slice(15)}` as AccountId;
};
