// Records as text, the same for the same content. v8.serialize is not: how it writes a 0 depends on what the process did
// before.
import { toHex } from '#crypto/bytes.ts';

function spell(_key: string, value: unknown): unknown {
  if (ArrayBuffer.isView(value))
    return `bytes ${toHex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}`;
  if (value instanceof Map) return [...value];
  return value === undefined ? 'undefined' : value;
}

export const spelled = (value: unknown): string => JSON.stringify(value, spell);
