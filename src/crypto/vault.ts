// Vault v1 (protocol 3.12, docs/protocol.md, Vault): a random vault key wraps the root and backup keys; each slot
// wraps the vault key. The payload's associated data covers the slots, so a server can neither swap one slot for an
// older one nor move slots between accounts; it can only serve a whole older vault, which `minRevision` catches.
import { concat, equalBytes, utf8 } from './bytes.ts';
import { accountIdentity } from './account-log.ts';
import { decodeAll, Writer, type Reader } from './codec.ts';
import {
  AEAD_KEY_BYTES,
  AEAD_TAG_BYTES,
  HASH_BYTES,
  ID_BYTES,
  MAX_VAULT_BYTES,
  MAX_VAULT_SLOTS,
  WIRE_VERSION,
  XAEAD_NONCE_BYTES,
} from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import { readKdfParams, sameKdfParams, writeKdfParams, type KdfParams } from './password.ts';
import { ed25519PublicKey, H, xaeadOpen, xaeadSeal } from './primitives.ts';
import { recoverySlotKey } from './recovery-code.ts';
import type { Rng } from './rng.ts';

const KIND_CODE = 0;
const KIND_PASSWORD = 1;
const WRAPPED_BYTES = AEAD_KEY_BYTES + AEAD_TAG_BYTES;
const MAX_PARAMS_BYTES = 64;
const MAX_PAYLOAD_PLAINTEXT = 128;

/** What the vault keeps: account id, root seed (32), backup key (32) and its version. */
export interface VaultSecrets {
  readonly accountId: Uint8Array;
  readonly rootSecret: Uint8Array;
  readonly backupKey: Uint8Array;
  readonly backupVersion: number;
}

/** A door to the vault: the recovery code, or the password's slot key with the parameters it was derived under. */
export type VaultKey =
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'password'; readonly slotKey: Uint8Array; readonly params: KdfParams };

/** What anybody may read of a vault: the server checks `aid` and that `revision` rises. */
export interface VaultHeader {
  readonly aid: Uint8Array;
  /** Generation of the vault key; slots are bound to it. */
  readonly vaultVersion: number;
  /** Rises with every write. */
  readonly revision: number;
  readonly slots: readonly VaultKey['kind'][];
}

/** An opened vault. `vaultKey` lets a slot be re-wrapped; it never leaves the worker. */
export interface OpenVault {
  readonly secrets: VaultSecrets;
  readonly header: VaultHeader;
  readonly vaultKey: Uint8Array;
}

interface Slot {
  readonly slotId: number;
  readonly kind: number;
  /** Encoded parameters: KdfParams for a password, empty for a code. */
  readonly params: Uint8Array;
  readonly nonce: Uint8Array;
  readonly wrapped: Uint8Array;
}

interface Vault {
  readonly aid: Uint8Array;
  readonly vaultVersion: number;
  readonly revision: number;
  readonly slots: readonly Slot[];
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

function writeSlot(w: Writer, slot: Slot): void {
  w.u8(slot.slotId).u8(slot.kind).bytes(slot.params, MAX_PARAMS_BYTES);
  w.fixed(slot.nonce, XAEAD_NONCE_BYTES).fixed(slot.wrapped, WRAPPED_BYTES);
}

function readSlot(r: Reader): Slot {
  const slotId = r.u8();
  const kind = r.u8();
  const params = r.bytes(MAX_PARAMS_BYTES);
  ensure(kind === KIND_CODE || kind === KIND_PASSWORD, 'unsupported', 'vault slot kind');
  if (kind === KIND_PASSWORD) decodeAll(params, readKdfParams);
  else ensure(params.length === 0, 'malformed', 'recovery slot with parameters');
  return { slotId, kind, params, nonce: r.fixed(XAEAD_NONCE_BYTES), wrapped: r.fixed(WRAPPED_BYTES) };
}

function writeHead(vault: Pick<Vault, 'aid' | 'vaultVersion' | 'revision' | 'slots'>): Writer {
  return new Writer()
    .u8(WIRE_VERSION)
    .fixed(vault.aid, HASH_BYTES)
    .u32(vault.vaultVersion)
    .u32(vault.revision)
    .array(vault.slots, MAX_VAULT_SLOTS, writeSlot);
}

function encodeVault(vault: Vault): Uint8Array {
  const w = writeHead(vault).fixed(vault.nonce, XAEAD_NONCE_BYTES);
  return w.bytes(vault.sealed, MAX_PAYLOAD_PLAINTEXT + AEAD_TAG_BYTES).done();
}

function decodeVault(encoded: Uint8Array): Vault {
  ensure(encoded.length <= MAX_VAULT_BYTES, 'limit', 'vault size');
  return decodeAll(encoded, (r) => {
    ensure(r.u8() === WIRE_VERSION, 'unsupported', 'vault version');
    const aid = r.fixed(HASH_BYTES);
    const vaultVersion = r.u32();
    const revision = r.u32();
    const slots = r.array(MAX_VAULT_SLOTS, readSlot);
    ensure(slots.length > 0, 'malformed', 'vault without slots');
    ensure(
      slots.every((slot, i) => slot.slotId > (slots[i - 1]?.slotId ?? -1)),
      'malformed',
      'vault slots not ascending',
    );
    const nonce = r.fixed(XAEAD_NONCE_BYTES);
    const sealed = r.bytes(MAX_PAYLOAD_PLAINTEXT + AEAD_TAG_BYTES);
    return { aid, vaultVersion, revision, slots, nonce, sealed };
  });
}

/** AAD of a slot = "cl1/vault/slot" ‖ canon(AID, slotId, kind, params, vaultVersion). */
function slotAad(
  aid: Uint8Array,
  vaultVersion: number,
  slot: Pick<Slot, 'slotId' | 'kind' | 'params'>,
): Uint8Array {
  const w = new Writer().fixed(aid, HASH_BYTES).u8(slot.slotId).u8(slot.kind);
  w.bytes(slot.params, MAX_PARAMS_BYTES).u32(vaultVersion);
  return concat(utf8('cl1/vault/slot'), w.done());
}

/** AAD of the payload = "cl1/vault/payload" ‖ H(everything before the payload: header and all slots). */
function payloadAad(vault: Pick<Vault, 'aid' | 'vaultVersion' | 'revision' | 'slots'>): Uint8Array {
  return concat(utf8('cl1/vault/payload'), H(writeHead(vault).done()));
}

function slotOf(key: VaultKey): Pick<Slot, 'slotId' | 'kind' | 'params'> {
  if (key.kind === 'code') return { slotId: KIND_CODE, kind: KIND_CODE, params: new Uint8Array(0) };
  const w = new Writer();
  writeKdfParams(w, key.params);
  return { slotId: KIND_PASSWORD, kind: KIND_PASSWORD, params: w.done() };
}

function wrappingKey(key: VaultKey, aid: Uint8Array): Uint8Array {
  return key.kind === 'code' ? recoverySlotKey(key.code, aid) : key.slotKey;
}

function wrap(
  vault: { readonly aid: Uint8Array; readonly vaultVersion: number; readonly vaultKey: Uint8Array },
  key: VaultKey,
  rng: Rng,
): Slot {
  const slot = slotOf(key);
  const nonce = rng.bytes(XAEAD_NONCE_BYTES);
  const aad = slotAad(vault.aid, vault.vaultVersion, slot);
  return { ...slot, nonce, wrapped: xaeadSeal(wrappingKey(key, vault.aid), nonce, vault.vaultKey, aad) };
}

function seal(
  vault: Pick<Vault, 'aid' | 'vaultVersion' | 'revision' | 'slots'>,
  content: { readonly secrets: VaultSecrets; readonly vaultKey: Uint8Array },
  rng: Rng,
): Uint8Array {
  const { accountId, rootSecret, backupKey, backupVersion } = content.secrets;
  const w = new Writer().u8(WIRE_VERSION).fixed(accountId, ID_BYTES).fixed(rootSecret, AEAD_KEY_BYTES);
  const plaintext = w.fixed(backupKey, AEAD_KEY_BYTES).u32(backupVersion).done();
  const nonce = rng.bytes(XAEAD_NONCE_BYTES);
  const sealed = xaeadSeal(content.vaultKey, nonce, plaintext, payloadAad(vault));
  return encodeVault({ ...vault, nonce, sealed });
}

function readSecrets(r: Reader): VaultSecrets {
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'vault payload version');
  const accountId = r.fixed(ID_BYTES);
  const rootSecret = r.fixed(AEAD_KEY_BYTES);
  const backupKey = r.fixed(AEAD_KEY_BYTES);
  return { accountId, rootSecret, backupKey, backupVersion: r.u32() };
}

/** Makes a vault (version 1, revision 1) with the recovery-code slot and the password slot. Returns its bytes. */
export function createVault(
  secrets: VaultSecrets,
  keys: { readonly code: string; readonly password: Extract<VaultKey, { kind: 'password' }> },
  rng: Rng,
): Uint8Array {
  const aid = accountIdentity(secrets.accountId, ed25519PublicKey(secrets.rootSecret));
  const vaultKey = rng.bytes(AEAD_KEY_BYTES);
  const base = { aid, vaultVersion: 1, vaultKey };
  const slots = [wrap(base, { kind: 'code', code: keys.code }, rng), wrap(base, keys.password, rng)];
  return seal({ aid, vaultVersion: 1, revision: 1, slots }, { secrets, vaultKey }, rng);
}

/** Reads what is public in a vault. Throws malformed, unsupported, limit, weak_kdf. */
export function vaultHeader(encoded: Uint8Array): VaultHeader {
  const { aid, vaultVersion, revision, slots } = decodeVault(encoded);
  const kinds = slots.map((slot) => (slot.kind === KIND_CODE ? 'code' : 'password'));
  return { aid, vaultVersion, revision, slots: kinds };
}

/** Whose vault is expected, and the highest revision this client has seen (0 if none). */
export interface VaultExpectation {
  readonly aid: Uint8Array;
  readonly minRevision: number;
}

/**
 * Opens a vault through one slot and checks that it is this account's. Throws bad_mac (wrong code or password, or a
 * changed byte), mismatch (another account, other password parameters than used, root key of another account),
 * stale_record (an older vault than seen), not_allowed (no such slot), malformed, unsupported, weak_kdf.
 */
export function openVault(encoded: Uint8Array, key: VaultKey, expected: VaultExpectation): OpenVault {
  const vault = decodeVault(encoded);
  ensure(equalBytes(vault.aid, expected.aid), 'mismatch', 'vault of another account');
  ensure(vault.revision >= expected.minRevision, 'stale_record', 'an older vault than known');
  const slot = requireSlot(vault, key);
  const aad = slotAad(vault.aid, vault.vaultVersion, slot);
  const vaultKey = xaeadOpen(wrappingKey(key, vault.aid), slot.nonce, slot.wrapped, aad);
  const secrets = decodeAll(xaeadOpen(vaultKey, vault.nonce, vault.sealed, payloadAad(vault)), readSecrets);
  const aid = accountIdentity(secrets.accountId, ed25519PublicKey(secrets.rootSecret));
  ensure(equalBytes(aid, vault.aid), 'mismatch', 'vault holds the root of another account');
  return { secrets, header: vaultHeader(encoded), vaultKey };
}

function requireSlot(vault: Vault, key: VaultKey): Slot {
  const { kind } = slotOf(key);
  const slot = vault.slots.find((candidate) => candidate.kind === kind);
  if (!slot) throw new CryptoError('not_allowed', 'vault has no such slot');
  if (key.kind === 'password') {
    const params = decodeAll(slot.params, readKdfParams);
    ensure(sameKdfParams(params, key.params), 'mismatch', 'password parameters differ from the vault');
  }
  return slot;
}

/**
 * Replaces (or adds) the slot of the kind of `key` (or of each of several keys), leaving every other slot
 * byte-identical, and seals the payload again under revision + 1. `opened` must come from these same bytes; throws
 * `stale_record` otherwise.
 */
export function rewrapVault(
  encoded: Uint8Array,
  change: { readonly opened: OpenVault; readonly key: VaultKey | readonly VaultKey[] },
  rng: Rng,
): Uint8Array {
  const vault = requireSame(encoded, change.opened);
  const { vaultKey, secrets } = change.opened;
  const under = { aid: vault.aid, vaultVersion: vault.vaultVersion, vaultKey };
  const fresh = [change.key].flat().map((key) => wrap(under, key, rng));
  const others = vault.slots.filter((kept) => fresh.every((slot) => slot.slotId !== kept.slotId));
  const slots = [...others, ...fresh].sort((a, b) => a.slotId - b.slotId);
  return seal({ ...vault, revision: vault.revision + 1, slots }, { secrets, vaultKey }, rng);
}

/** Seals new secrets (a rotated backup key) under revision + 1; every slot stays byte-identical. */
export function resealVault(
  encoded: Uint8Array,
  change: { readonly opened: OpenVault; readonly secrets: VaultSecrets },
  rng: Rng,
): Uint8Array {
  const vault = requireSame(encoded, change.opened);
  const content = { secrets: change.secrets, vaultKey: change.opened.vaultKey };
  return seal({ ...vault, revision: vault.revision + 1 }, content, rng);
}

function requireSame(encoded: Uint8Array, opened: OpenVault): Vault {
  const vault = decodeVault(encoded);
  const { header } = opened;
  const same = equalBytes(vault.aid, header.aid) && vault.revision === header.revision;
  ensure(
    same && vault.vaultVersion === header.vaultVersion,
    'stale_record',
    'vault changed since it was opened',
  );
  return vault;
}

/** Whether both have the very same doors, byte for byte: only what is behind them may differ. Throws malformed, unsupported. */
export function hasSameSlots(before: Uint8Array, after: Uint8Array): boolean {
  const slotsOf = (encoded: Uint8Array): Uint8Array => {
    const { aid, vaultVersion, slots } = decodeVault(encoded);
    return writeHead({ aid, vaultVersion, revision: 0, slots }).done();
  };
  return equalBytes(slotsOf(before), slotsOf(after));
}
