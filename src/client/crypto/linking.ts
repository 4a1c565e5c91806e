// Linking a device, both sides (protocol 3.3): the exchange lives in memory until it is over; nothing of it is stored.
import {
  askLink,
  bytesToUuid,
  checkGrantedLog,
  createAddDevice,
  createLinkOffer,
  CryptoError,
  decodeLinkCode,
  encodeLinkCode,
  equalBytes,
  extendAccountLog,
  fromBase64Url,
  generateDevice,
  grantLink,
  linkClaimHash,
  linkEcho,
  logHead,
  meetLink,
  randomId,
  takeGrant,
  takeMeeting,
  takeRequest,
  toBase64Url,
  type DeviceCert,
  type DeviceSecrets,
  type LinkChannel,
  type LinkGrant,
  type LinkOffer,
  type LinkRequest,
} from '#crypto/index.ts';
import type { AccountId } from '#shared/ids.ts';
import type { Accounts } from './accounts.ts';
import { deviceIdOf, signerOf, type EngineCore } from './engine-core.ts';
import type { LinkCalls, LinkEcho } from './link-calls.ts';
import { keys, type PeerRecord } from './records.ts';

/** The new device after somebody read its code. */
interface Asking {
  readonly channel: LinkChannel;
  readonly aid: Uint8Array;
  readonly secrets: DeviceSecrets;
  readonly cert: DeviceCert;
  readonly createdAt: number;
  readonly grant: LinkGrant | null;
}

/** The device of the account after it read a code. */
interface Meeting {
  readonly channel: LinkChannel;
  readonly aid: Uint8Array;
  readonly request: LinkRequest | null;
}

/** Throws `not_allowed` where the exchange has not come that far. */
function reached<T>(step: T | null | undefined): T {
  if (step === null || step === undefined)
    throw new CryptoError('not_allowed', 'no such step of linking now');
  return step;
}

export class Linking implements Omit<LinkCalls, 'revokeDevice'> {
  readonly #core: EngineCore;
  readonly #accounts: Accounts;
  #offer: LinkOffer | null = null;
  #asking: Asking | null = null;
  #meeting: Meeting | null = null;

  constructor(core: EngineCore, accounts: Accounts) {
    this.#core = core;
    this.#accounts = accounts;
  }

  async linkOffer(): Promise<{ mailboxId: string; code: string }> {
    this.#asking = null;
    this.#offer = createLinkOffer(this.#core.rng);
    const { code } = this.#offer;
    return { mailboxId: toBase64Url(code.mailboxId), code: encodeLinkCode(code) };
  }

  async linkRequest(input: {
    meeting: string;
    label: string;
    now: number;
  }): Promise<{ request: string; echo: LinkEcho }> {
    const { channel, aid } = takeMeeting(reached(this.#offer), fromBase64Url(input.meeting));
    const { rng } = this.#core;
    const createdAt = input.now;
    const { secrets, cert } = generateDevice({ aid, deviceId: randomId(rng), kind: 'full', createdAt }, rng);
    const asked = askLink(channel, { cert, label: input.label }, rng);
    // The code is spent: nobody else is answered under it.
    this.#offer = null;
    this.#asking = { channel: asked.channel, aid, secrets, cert, createdAt, grant: null };
    return { request: toBase64Url(asked.parcel), echo: linkEcho(asked.channel) };
  }

  async linkTake({
    grant,
  }: {
    grant: string;
  }): Promise<{ accountId: AccountId; username: string; claim: string }> {
    const asking = reached(this.#asking);
    const granted = takeGrant(asking.channel, fromBase64Url(grant), asking.aid);
    this.#asking = { ...asking, grant: granted };
    return {
      accountId: bytesToUuid(granted.accountId) as AccountId,
      username: granted.username,
      claim: toBase64Url(asking.channel.claim),
    };
  }

  async linkCertified({ log: entries }: { log: readonly string[] }): Promise<void> {
    const { grant: granted, cert, secrets, createdAt } = reached(this.#asking);
    const grant = reached(granted);
    const accountId = bytesToUuid(grant.accountId) as AccountId;
    const log = await this.#core.runOn(accountId, async (unit) => {
      // Not shorter than this browser has seen it before, and not another one.
      const known = await unit.get<PeerRecord>(keys.peer(accountId));
      return extendAccountLog(known?.log ?? null, entries.map(fromBase64Url));
    });
    checkGrantedLog(log, grant, cert);
    const { backupKey, backupVersion } = grant;
    const deviceId = deviceIdOf(secrets.deviceId);
    this.#accounts.hold({ self: { accountId, deviceId, secrets, backupKey, backupVersion, createdAt }, log });
    this.#asking = null;
  }

  linkMeet({ code: text }: { code: string }): Promise<{ mailboxId: string; meeting: string }> {
    return this.#core.run(async (_unit, { log }) => {
      const code = decodeLinkCode(text.trim());
      const { channel, parcel } = meetLink(code, log.aid, this.#core.rng);
      this.#meeting = { channel, aid: log.aid, request: null };
      return { mailboxId: toBase64Url(code.mailboxId), meeting: toBase64Url(parcel) };
    });
  }

  async linkReview({ request: parcel }: { request: string }): Promise<{ label: string; echo: LinkEcho }> {
    const { channel: before, aid } = reached(this.#meeting);
    const { channel, request } = takeRequest(before, fromBase64Url(parcel), aid);
    this.#meeting = { channel, aid, request };
    return { label: request.label, echo: linkEcho(channel) };
  }

  linkApprove({ username }: { username: string }): ReturnType<LinkCalls['linkApprove']> {
    return this.#core.run(async (_unit, own) => {
      const { channel, aid, request } = reached(this.#meeting);
      const { cert, label } = reached(request);
      const { log, self } = own;
      if (!equalBytes(aid, log.aid)) throw new CryptoError('mismatch', 'another account is open now');
      const entry = createAddDevice(log, cert, signerOf(own));
      const { accountId, rootPub } = log;
      const { backupKey, backupVersion } = self;
      const head = logHead(extendAccountLog(log, [entry]));
      const grant = { accountId, rootPub, head, backupKey, backupVersion, username };
      return {
        entry: toBase64Url(entry),
        label,
        claimHash: toBase64Url(linkClaimHash(channel.claim)),
        grant: toBase64Url(grantLink(channel, grant, this.#core.rng)),
      };
    });
  }
}
