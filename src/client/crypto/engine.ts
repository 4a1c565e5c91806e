// The engine behind the crypto worker: every call of CryptoApi over one record store. Runs wherever the store does;
// no DOM, no clock, no network.
import type { ChannelId, EventId } from '#shared/ids.ts';
import { Accounts } from './accounts.ts';
import { BackingUp } from './backing-up.ts';
import { Decrypting } from './decrypting.ts';
import { EngineCore, type EngineOptions } from './engine-core.ts';
import { fadeDue } from './fading.ts';
import { Identities } from './identities.ts';
import { KeyRequests } from './key-requests.ts';
import { leaseCalls } from './lease-epochs.ts';
import { Linking } from './linking.ts';
import { PairwiseLink } from './pairwise-link.ts';
import { policyCalls } from './policies.ts';
import { prekeyCalls } from './prekey-calls.ts';
import type { CryptoApi, Draft } from './protocol.ts';
import { Receiving } from './receiving.ts';
import { keys } from './records.ts';
import { Repairs } from './repairs.ts';
import { Removing } from './removing.ts';
import { Rotating } from './rotating.ts';
import { Sending } from './sending.ts';
import { VaultDoors } from './vault-doors.ts';
import { Verification } from './verification.ts';

/**
 * The outbox's rows. Event ids are time-ordered, so key order is the order of writing; what is under way goes before all
 * else, whatever clock the rest was written by.
 */
function draftCalls(core: EngineCore): Pick<CryptoApi, 'keepDraft' | 'dropDraft' | 'drafts'> {
  return {
    keepDraft: ({ draft }) => core.run(async (unit) => unit.put(keys.draft(draft.eventId), draft)),
    dropDraft: ({ eventId }) => core.run(async (unit) => unit.remove(keys.draft(eventId))),
    drafts: () =>
      core.run(async (unit) => {
        const drafts = [...(await unit.list<Draft>(keys.drafts)).values()];
        const underWay = new Set((await unit.list<EventId>(keys.inFlightAll)).values());
        return drafts.sort((a, b) => Number(underWay.has(b.eventId)) - Number(underWay.has(a.eventId)));
      }),
  };
}

/** What goes on time, and parked packets with keys of such chains. */
function fadeCalls(core: EngineCore, receiving: Receiving): Pick<CryptoApi, 'fade'> {
  return {
    fade: async ({ now }) => {
      const { parked, next } = await core.run((unit) => fadeDue(unit, now));
      if (parked.length > 0) await receiving.dropParked(parked, now);
      return { next };
    },
  };
}

/** Every method of these objects, bound, so that a call can be looked up by name. */
function bind<T extends object, K extends keyof T>(part: T, ...names: K[]): Pick<T, K> {
  const bound = names.map((name) => {
    const method = part[name];
    return [name, typeof method === 'function' ? method.bind(part) : method] as const;
  });
  return Object.fromEntries(bound) as Pick<T, K>;
}

/** Getting in and out: the account, the vault's doors, letting a device in. */
function entryCalls(core: EngineCore) {
  const accounts = new Accounts(core);
  return {
    ...bind(
      accounts,
      'prepareAccount',
      'prepareReset',
      'deriveLogin',
      'findDevice',
      'certifyDevice',
      'adopt',
      'open',
      'signAttach',
    ),
    ...bind(accounts, 'revokeOwnDevice', 'wipe'),
    ...bind(
      new Rotating(core, accounts),
      'rotateBackup',
      'backupRotated',
      'handBackupKey',
      'backupKeyHanded',
    ),
    ...bind(
      new VaultDoors(core, accounts),
      'recoveryAuth',
      'newLogin',
      'makePassword',
      'makeRecoveryCode',
      'makeRecovered',
      'vaultStored',
    ),
    ...bind(
      new Linking(core, accounts),
      'linkOffer',
      'linkRequest',
      'linkTake',
      'linkCertified',
      'linkMeet',
      'linkReview',
      'linkApprove',
    ),
    ...bind(new Removing(core), 'revokeDevice'),
  };
}

export function createEngine(options: EngineOptions): CryptoApi {
  const core = new EngineCore(options);
  const waiting = new Map<string, ChannelId>();
  const receiving = new Receiving(core, waiting);
  const verification = new Verification(core);
  return {
    backend: () => Promise.resolve(core.backendName),
    ...entryCalls(core),
    ...prekeyCalls(core),
    ...draftCalls(core),
    ...leaseCalls(core),
    ...fadeCalls(core, receiving),
    ...policyCalls(core),
    ...bind(new Identities(core), 'ingestLogs', 'logsNeeded', 'identities'),
    ...bind(verification, 'acceptIdentity', 'compare', 'readCode', 'verify', 'unverify'),
    ...bind(verification, 'invitePin', 'checkInvitePin', 'pinInviter'),
    ...bind(new PairwiseLink(core), 'startSessions'),
    ...bind(
      new Sending(core),
      'missingKeys',
      'encrypt',
      'acknowledge',
      'abandon',
      'distribute',
      'distributed',
    ),
    ...bind(receiving, 'receivePackets'),
    ...bind(new Decrypting(core, { receiving, waiting }), 'decrypt'),
    ...bind(
      new BackingUp(core, waiting),
      'compareBackup',
      'takeBackup',
      'nextBackup',
      'backupStored',
      'backupHeadEntry',
      'backupView',
    ),
    ...bind(new Repairs(core), 'dueRepairs', 'repairsSent', 'wedgedDevices', 'repairByHand'),
    ...bind(new KeyRequests(core), 'requestKeys', 'answerRequests'),
  };
}
