// The account log: a hash chain of signed entries that alone makes a device belong to an account (protocol 3.2;
// docs/protocol.md, Identity). A pure reducer; the state keeps every entry's hash so that gossiped heads can be checked.
import { equalBytes, utf8 } from './bytes.ts';
import { KEY_ED25519, writeKey, Writer } from './codec.ts';
import { HASH_BYTES, ID_BYTES, MAX_LIVE_DEVICES, MAX_LOG_ENTRIES, SIGN_LABELS } from './constants.ts';
import { verifyDeviceCert, type DeviceCert } from './device.ts';
import { CryptoError, ensure } from './errors.ts';
import { idKey } from './ids.ts';
import {
  decodeLogEntry,
  encodeBackupHead,
  encodeRotation,
  OP_ADD_DEVICE,
  OP_BACKUP_HEAD,
  OP_GENESIS,
  OP_REVOKE_DEVICE,
  OP_ROTATE_ROOT,
  REVOKE_REASONS,
  rotationFields,
  SIGNER_DEVICE,
  SIGNER_ROOT,
  signEntry,
  type BackupHead,
  type LogEntry,
  type RevokeReason,
} from './log-entry.ts';
import type { LogHead } from './log-head.ts';
import { H, importEd25519, verifySigned, type KeyPair } from './primitives.ts';
import type { Rng } from './rng.ts';

/** Who put a device into the log. */
export type LogActor = { readonly kind: 'root' } | { readonly kind: 'device'; readonly deviceId: Uint8Array };

/** One device the log knows, live or revoked. */
export interface LogDevice {
  readonly cert: DeviceCert;
  readonly addedAtSeq: number;
  readonly addedBy: LogActor;
  /** null while the device is live. */
  readonly revokedAtSeq: number | null;
  readonly revokeReason: RevokeReason | null;
}

/** What a verified log says. Plain data, structured-clone safe. */
export interface AccountLogState {
  readonly accountId: Uint8Array;
  /** AID = H("cl1/acct" ‖ accountId ‖ rootPub). */
  readonly aid: Uint8Array;
  /** The root the genesis names: AID, safety number and verification hang on it for good. */
  readonly rootPub: Uint8Array;
  /** Roots that took over later, oldest first; absent before the first rotation. Only the last one signs. */
  readonly laterRoots?: readonly Uint8Array[];
  readonly createdAt: number;
  readonly headSeq: number;
  readonly headHash: Uint8Array;
  /** H(entry ‖ sig) of every entry, by seq. */
  readonly hashes: readonly Uint8Array[];
  /** By idKey(deviceId). */
  readonly devices: Readonly<Record<string, LogDevice>>;
  /** The newest backup head the log names, and where; absent before the first. */
  readonly backupHead?: BackupHead & { readonly seq: number };
}

/** Who signs a new entry. The root key is the 32-byte seed from the vault. */
export type LogSigner =
  | { readonly kind: 'root'; readonly secretKey: Uint8Array }
  | { readonly kind: 'device'; readonly deviceId: Uint8Array; readonly secretKey: Uint8Array };

/** AID = H("cl1/acct" ‖ accountId16 ‖ rootPub32): what everything binds instead of a name or number. */
export function accountIdentity(accountId: Uint8Array, rootPub: Uint8Array): Uint8Array {
  ensure(accountId.length === ID_BYTES, 'malformed', 'account id length');
  return H(utf8('cl1/acct'), accountId, importEd25519(rootPub));
}

/** The signerId of root-signed entries: the first 16 bytes of H("cl1/root" ‖ rootPub). */
export function rootFingerprint(rootPub: Uint8Array): Uint8Array {
  return H(utf8('cl1/root'), rootPub).slice(0, ID_BYTES);
}

/** The root whose signature counts for the next entry. */
export function signingRoot(state: AccountLogState): Uint8Array {
  return state.laterRoots?.at(-1) ?? state.rootPub;
}

/** Every root the account ever had, the first one first. */
function rootsOf(state: AccountLogState): readonly Uint8Array[] {
  return [state.rootPub, ...(state.laterRoots ?? [])];
}

/** Entry 0 of a new account, signed by its root. Returns entry ‖ signature. */
export function createGenesis(
  account: { readonly accountId: Uint8Array; readonly root: KeyPair; readonly createdAt: number },
  rng: Rng,
): Uint8Array {
  const w = new Writer();
  writeKey(w, KEY_ED25519, account.root.publicKey);
  const body = w.varint(account.createdAt).fixed(rng.bytes(ID_BYTES), ID_BYTES).done();
  return signEntry(
    {
      accountId: account.accountId,
      seq: 0,
      prevHash: new Uint8Array(HASH_BYTES),
      op: OP_GENESIS,
      body,
      signerKind: SIGNER_ROOT,
      signerId: rootFingerprint(account.root.publicKey),
    },
    account.root.secretKey,
  );
}

/** The next entry, certifying a device. Throws what the reducer would throw on it. */
export function createAddDevice(state: AccountLogState, cert: DeviceCert, signer: LogSigner): Uint8Array {
  return append(state, { op: OP_ADD_DEVICE, body: cert.encoded }, signer);
}

/** The next entry, revoking a device (a device may revoke itself). Throws what the reducer would throw on it. */
export function createRevokeDevice(
  state: AccountLogState,
  target: { readonly deviceId: Uint8Array; readonly reason: RevokeReason },
  signer: LogSigner,
): Uint8Array {
  const body = new Writer().fixed(target.deviceId, ID_BYTES).u8(REVOKE_REASONS.indexOf(target.reason)).done();
  return append(state, { op: OP_REVOKE_DEVICE, body }, signer);
}

/**
 * The next entry, with which the root hands over to another: signed by both. AID and safety number stay those of the
 * first root. `secretKey` is the root's that signs so far. Throws what the reducer would throw on it.
 */
export function createRotateRoot(state: AccountLogState, next: KeyPair, secretKey: Uint8Array): Uint8Array {
  const { aid, headSeq, headHash } = state;
  const rotation = { aid, seq: headSeq + 1, prevHash: headHash, newRootPub: next.publicKey };
  const body = encodeRotation(rotation, next.secretKey);
  return append(state, { op: OP_ROTATE_ROOT, body }, { kind: 'root', secretKey });
}

/** The next entry, naming what the backup holds. Throws what the reducer would throw on it. */
export function createBackupHead(state: AccountLogState, head: BackupHead, signer: LogSigner): Uint8Array {
  return append(state, { op: OP_BACKUP_HEAD, body: encodeBackupHead(head) }, signer);
}

function append(
  state: AccountLogState,
  change: { readonly op: number; readonly body: Uint8Array },
  signer: LogSigner,
): Uint8Array {
  const byRoot = signer.kind === 'root';
  const entry = signEntry(
    {
      accountId: state.accountId,
      seq: state.headSeq + 1,
      prevHash: state.headHash,
      ...change,
      signerKind: byRoot ? SIGNER_ROOT : SIGNER_DEVICE,
      signerId: byRoot ? rootFingerprint(signingRoot(state)) : signer.deviceId,
    },
    signer.secretKey,
  );
  extendAccountLog(state, [entry]);
  return entry;
}

/** Verifies a whole log from its genesis: first contact, or after a person accepted a reset. */
export function openAccountLog(entries: readonly Uint8Array[]): AccountLogState {
  return extendAccountLog(null, entries);
}

/**
 * Verifies `entries`, a contiguous run, against what is already known. The run may overlap the known part (ask the
 * server from the known head on, inclusive); an empty run is "nothing new". `prior` is left untouched.
 * Throws `identity_reset` (another genesis), `fork` (another hash at a known seq), `truncated` (ends before the known
 * head), `mismatch` (another account), and for the new part malformed, unsupported, bad_key, bad_signature,
 * not_allowed, revoked, unknown_device, limit.
 */
export function extendAccountLog(
  prior: AccountLogState | null,
  entries: readonly Uint8Array[],
): AccountLogState {
  ensure(entries.length <= MAX_LOG_ENTRIES, 'limit', 'log entries');
  let state = prior;
  let last = -1;
  for (const encoded of entries) {
    const entry = decodeLogEntry(encoded);
    ensure(last < 0 || entry.seq === last + 1, 'malformed', 'log run not contiguous');
    last = entry.seq;
    if (!state) state = applyGenesis(entry);
    else if (entry.seq > state.headSeq) state = applyEntry(state, entry);
    else checkKnown(state, entry);
  }
  if (!state) throw new CryptoError('malformed', 'empty log');
  ensure(last < 0 || last === state.headSeq, 'truncated', 'log ends before the known head');
  return state;
}

function checkKnown(state: AccountLogState, entry: LogEntry): void {
  ensure(equalBytes(entry.accountId, state.accountId), 'mismatch', 'log of another account');
  if (equalBytes(entry.hash, state.hashes[entry.seq]!)) return;
  if (entry.seq === 0) throw new CryptoError('identity_reset', 'another genesis');
  throw new CryptoError('fork', 'another entry at a known position');
}

function applyGenesis(entry: LogEntry): AccountLogState {
  const { body } = entry;
  ensure(body.op === 'genesis' && entry.seq === 0, 'malformed', 'log does not start at its genesis');
  ensure(equalBytes(entry.prevHash, new Uint8Array(HASH_BYTES)), 'malformed', 'genesis with a predecessor');
  const aid = accountIdentity(entry.accountId, body.rootPub);
  const { accountId, hash } = entry;
  const base = { accountId, aid, rootPub: body.rootPub, createdAt: body.createdAt };
  const state = { ...base, headSeq: 0, headHash: hash, hashes: [hash], devices: {} };
  ensure(entry.signerKind === 'root', 'not_allowed', 'genesis not signed by the root');
  verifyByRoot(state, entry);
  return state;
}

function applyEntry(state: AccountLogState, entry: LogEntry): AccountLogState {
  ensure(equalBytes(entry.accountId, state.accountId), 'mismatch', 'log of another account');
  ensure(entry.seq < MAX_LOG_ENTRIES, 'limit', 'log is full');
  ensure(entry.seq === state.headSeq + 1, 'malformed', 'gap in the log');
  ensure(equalBytes(entry.prevHash, state.headHash), 'fork', 'entry does not follow the known head');
  const actor = verifySigner(state, entry);
  const changed = applyOp(state, entry, actor);
  const hashes = [...state.hashes, entry.hash];
  return { ...state, headSeq: entry.seq, headHash: entry.hash, hashes, ...changed };
}

function verifyByRoot(state: AccountLogState, entry: LogEntry): void {
  const root = signingRoot(state);
  ensure(equalBytes(entry.signerId, rootFingerprint(root)), 'bad_signature', 'signer is not the root');
  verifySigned(root, SIGN_LABELS.accountLog, entry.fields, entry.signature);
}

function verifySigner(state: AccountLogState, entry: LogEntry): LogActor {
  if (entry.signerKind === 'root') {
    verifyByRoot(state, entry);
    return { kind: 'root' };
  }
  const device = findDevice(state, entry.signerId);
  ensure(device !== null, 'unknown_device', 'signing device not in the log');
  ensure(device.revokedAtSeq === null, 'revoked', 'signing device is revoked');
  ensure(device.cert.kind === 'full', 'not_allowed', 'only full devices sign log entries');
  verifySigned(device.cert.signingPub, SIGN_LABELS.accountLog, entry.fields, entry.signature);
  return { kind: 'device', deviceId: entry.signerId };
}

function applyOp(
  state: AccountLogState,
  entry: LogEntry,
  actor: LogActor,
): Partial<Pick<AccountLogState, 'devices' | 'backupHead' | 'laterRoots'>> {
  const { body } = entry;
  if (body.op === 'addDevice')
    return { devices: addDevice(state, { cert: body.cert, seq: entry.seq, actor }) };
  if (body.op === 'rotateRoot') return { laterRoots: rotateRoot(state, body, actor) };
  if (body.op === 'backupHead') {
    ensure(grows(state.backupHead, body.head), 'not_allowed', 'backup head older than the one before');
    return { backupHead: { ...body.head, seq: entry.seq } };
  }
  ensure(body.op === 'revokeDevice', 'not_allowed', 'second genesis');
  const device = findDevice(state, body.deviceId);
  ensure(device !== null, 'unknown_device', 'revoked device not in the log');
  ensure(device.revokedAtSeq === null, 'revoked', 'device already revoked');
  const revoked = { ...device, revokedAtSeq: entry.seq, revokeReason: body.reason };
  return { devices: { ...state.devices, [idKey(body.deviceId)]: revoked } };
}

function rotateRoot(
  state: AccountLogState,
  { newRootPub, sigByNew }: { readonly newRootPub: Uint8Array; readonly sigByNew: Uint8Array },
  actor: LogActor,
): readonly Uint8Array[] {
  ensure(actor.kind === 'root', 'not_allowed', 'only the root hands over');
  importEd25519(newRootPub);
  for (const root of rootsOf(state)) ensure(!equalBytes(root, newRootPub), 'mismatch', 'root used before');
  ensure(!equalBytes(rootFingerprint(newRootPub), state.accountId), 'mismatch', 'root equals the account id');
  for (const { cert } of Object.values(state.devices)) {
    ensure(!equalBytes(cert.signingPub, newRootPub), 'mismatch', 'root key equals a device key');
    ensure(!equalBytes(cert.deviceId, rootFingerprint(newRootPub)), 'mismatch', 'root equals a device id');
  }
  const { aid, headSeq, headHash } = state;
  const fields = rotationFields({ aid, seq: headSeq + 1, prevHash: headHash, newRootPub });
  verifySigned(newRootPub, SIGN_LABELS.rootRotation, fields, sigByNew);
  return [...(state.laterRoots ?? []), newRootPub];
}

function grows(known: BackupHead | undefined, next: BackupHead): boolean {
  if (!known || next.version > known.version) return true;
  return next.version === known.version && next.count > known.count;
}

function addDevice(
  state: AccountLogState,
  added: { readonly cert: Uint8Array; readonly seq: number; readonly actor: LogActor },
): Record<string, LogDevice> {
  const cert = verifyDeviceCert(added.cert);
  ensure(equalBytes(cert.aid, state.aid), 'mismatch', 'certificate made for another account');
  ensure(liveDevices(state).length < MAX_LIVE_DEVICES, 'limit', 'live devices');
  ensure(!equalBytes(cert.deviceId, state.accountId), 'mismatch', 'device id equals the account id');
  for (const root of rootsOf(state)) {
    ensure(!equalBytes(cert.deviceId, rootFingerprint(root)), 'mismatch', 'device id equals the root');
    ensure(!equalBytes(cert.signingPub, root), 'mismatch', 'device key equals the root key');
  }
  for (const known of Object.values(state.devices)) {
    ensure(!equalBytes(known.cert.deviceId, cert.deviceId), 'mismatch', 'device id used before');
    ensure(!equalBytes(known.cert.signingPub, cert.signingPub), 'mismatch', 'device key used before');
    ensure(!equalBytes(known.cert.dhPub, cert.dhPub), 'mismatch', 'device key used before');
  }
  const device: LogDevice = {
    cert,
    addedAtSeq: added.seq,
    addedBy: added.actor,
    revokedAtSeq: null,
    revokeReason: null,
  };
  return { ...state.devices, [idKey(cert.deviceId)]: device };
}

/** The device with this id, live or revoked, or null. */
export function findDevice(state: AccountLogState, deviceId: Uint8Array): LogDevice | null {
  const id = idKey(deviceId);
  return Object.hasOwn(state.devices, id) ? state.devices[id]! : null;
}

/** The live device with this id; throws `unknown_device` or `revoked`. */
export function requireLiveDevice(state: AccountLogState, deviceId: Uint8Array): LogDevice {
  const device = findDevice(state, deviceId);
  ensure(device !== null, 'unknown_device', 'device not in the account log');
  ensure(device.revokedAtSeq === null, 'revoked', 'device is revoked');
  return device;
}

/**
 * The device a packet is from: a live one; a revoked one only where the caller had the packet before it learned of that.
 * Throws `unknown_device` or `revoked`.
 */
export function requireSender(
  state: AccountLogState,
  deviceId: Uint8Array,
  acceptRevoked: boolean | undefined,
): LogDevice {
  const device = acceptRevoked === true ? findDevice(state, deviceId) : null;
  return device ?? requireLiveDevice(state, deviceId);
}

/** Every certified, unrevoked device, oldest first: the only devices anything is ever encrypted to (A01). */
export function liveDevices(state: AccountLogState): LogDevice[] {
  return Object.values(state.devices)
    .filter((device) => device.revokedAtSeq === null)
    .sort((a, b) => a.addedAtSeq - b.addedAtSeq);
}

/** Whether the device was added at or before, and not revoked at or before, this position of the log. */
export function wasLiveAt(state: AccountLogState, deviceId: Uint8Array, seq: number): boolean {
  const device = findDevice(state, deviceId);
  if (!device || device.addedAtSeq > seq) return false;
  return device.revokedAtSeq === null || device.revokedAtSeq > seq;
}

/** The current head, as gossiped. */
export function logHead(state: AccountLogState): LogHead {
  return { seq: state.headSeq, hash: state.headHash };
}

/** The head this log had at `seq`, or null beyond its end. */
export function headAt(state: AccountLogState, seq: number): LogHead | null {
  const hash = state.hashes[seq];
  return hash ? { seq, hash } : null;
}

/** Whether (seq, hash) is a head this log has or had, at or after position `notBefore`. */
export function acceptsHead(state: AccountLogState, head: LogHead, notBefore = 0): boolean {
  const own = head.seq >= notBefore ? headAt(state, head.seq) : null;
  return own !== null && equalBytes(own.hash, head.hash);
}

/**
 * Judges a gossiped head against what is known: `same` or `older` agree, `newer` means fetch the log and compare
 * again, `fork` means two logs exist (A04).
 */
export function compareHead(state: AccountLogState, head: LogHead): 'same' | 'older' | 'newer' | 'fork' {
  if (head.seq > state.headSeq) return 'newer';
  if (!acceptsHead(state, head)) return 'fork';
  return head.seq === state.headSeq ? 'same' : 'older';
}

/**
 * What a client does about `identity_reset` (A05): an unverified contact is held until one tap and gets a notice,
 * a verified contact is blocked until they are verified again. Nothing is encrypted to the new keys before.
 */
export function identityResetPolicy(verified: boolean): 'hold' | 'block' {
  return verified ? 'block' : 'hold';
}
