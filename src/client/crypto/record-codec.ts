// Records to bytes and back: JSON in which byte strings are tagged, sealed with AES-256-GCM under the local store key.
import { CryptoError, fromBase64Url, toBase64Url } from '#crypto/index.ts';

const TAG = '$bytes';
const IV_BYTES = 12;

/** JSON text of plain data with byte strings, numbers, strings, booleans, nulls, arrays and plain objects. */
export function encodeRecord(value: unknown): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(value, (_key, item: unknown) =>
    item instanceof Uint8Array ? { [TAG]: toBase64Url(item) } : item,
  );
  return new TextEncoder().encode(text);
}

export function decodeRecord(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes), (_key, item: unknown) => {
    const isTagged = typeof item === 'object' && item !== null && Object.hasOwn(item, TAG);
    return isTagged ? fromBase64Url((item as Record<string, string>)[TAG] ?? '') : item;
  }) as unknown;
}

/** A fresh, non-extractable local store key (LK). */
export function newStoreKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

/** 12-byte random nonce ‖ AES-256-GCM of the record; the record's key is bound as associated data. */
export async function sealRecord(key: CryptoKey, name: string, value: unknown): Promise<Uint8Array> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const additionalData = new TextEncoder().encode(name);
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData },
    key,
    encodeRecord(value),
  );
  const out = new Uint8Array(IV_BYTES + sealed.byteLength);
  out.set(iv);
  out.set(new Uint8Array(sealed), IV_BYTES);
  return out;
}

/** Throws `bad_mac` for a record that was changed or moved to another name. */
export async function openRecord(key: CryptoKey, name: string, sealed: Uint8Array): Promise<unknown> {
  const iv = sealed.slice(0, IV_BYTES);
  const additionalData = new TextEncoder().encode(name);
  try {
    const body = sealed.slice(IV_BYTES);
    return decodeRecord(
      new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, key, body)),
    );
  } catch {
    throw new CryptoError('bad_mac', 'local record does not open');
  }
}
