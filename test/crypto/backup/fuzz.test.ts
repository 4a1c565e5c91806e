// A95: every decoder of the backup under mutations, and no changed byte accepted where a key or signature covers it.
import { describe, expect, it } from 'vitest';
import { decodeChainArchive, decodeDmKeys, decodePeerState } from '#crypto/backup-kinds.ts';
import {
  openBackupEntry,
  parseBackupEntry,
  parseBackupManifest,
  verifyBackupManifest,
} from '#crypto/backup.ts';
import { fromHex, toHex } from '#crypto/bytes.ts';
import { decodeLogEntry } from '#crypto/log-entry.ts';
import { fuzzDecoder } from '../support/fuzz.ts';
import { loadVectors } from '../support/vectors.ts';

const frozen = loadVectors<Record<string, string>>('own/backup.json');
const at = (name: string): Uint8Array => fromHex(frozen[name]!);
const key = { aid: at('aid'), version: 3, key: at('backupKey') };
const signer = { aid: at('aid'), deviceId: at('deviceId'), signingPub: at('devicePublic') };

describe('A95 backup decoders', () => {
  it.each<[string, (bytes: Uint8Array) => unknown, Uint8Array | Uint8Array[]]>([
    ['backup entry', parseBackupEntry, [at('entry0'), at('entry1'), at('entry2')]],
    ['backup manifest', parseBackupManifest, at('manifest')],
    ['chain archive', decodeChainArchive, at('chain')],
    ['dm keys', decodeDmKeys, at('dmKeys')],
    ['peer state', decodePeerState, at('peer')],
    ['backup head in the log', decodeLogEntry, at('logEntry')],
  ])('A95 %s: 100,000 mutations, only CryptoError', (name, decode, samples) => {
    expect(fuzzDecoder(name, decode, samples).runs).toBe(100_000);
  });

  it.each<[string, (bytes: Uint8Array) => unknown, Uint8Array]>([
    ['entry opened', (bytes) => openBackupEntry(key, bytes), at('entry0')],
    ['manifest with its signature', (bytes) => verifyBackupManifest(bytes, signer), at('manifest')],
  ])('A95 %s: no changed byte is accepted', (name, verify, sample) => {
    const strict = (bytes: Uint8Array) => {
      verify(bytes);
      if (toHex(bytes) !== toHex(sample)) throw new Error('accepted a changed structure');
    };
    expect(fuzzDecoder(name, strict, sample, 1500).runs).toBe(1500);
  });
});
