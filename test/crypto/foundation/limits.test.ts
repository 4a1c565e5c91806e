// P16: src/crypto repeats the wire's numbers because it may import nothing outside itself; here they are held together.
import { describe, expect, it } from 'vitest';
import * as wire from '#crypto/constants.ts';
import * as verify from '#crypto/verify.ts';
import { limits } from '#shared/limits.ts';

describe('wire caps', () => {
  it.each([
    ['devices per account', wire.MAX_LIVE_DEVICES, limits.devicesPerAccount],
    ['log entries', wire.MAX_LOG_ENTRIES, limits.accountLogEntries],
    ['log entry bytes', wire.MAX_LOG_ENTRY_BYTES, limits.accountLogEntryBytes],
    ['one-time units', wire.MAX_ONE_TIME_UNITS, limits.prekeyUnits],
    ['one-time unit bytes', wire.MAX_ONE_TIME_UNIT_BYTES, limits.prekeyUnitBytes],
    ['prekey set bytes', wire.MAX_PREKEY_SET_BYTES, limits.prekeySetBytes],
    ['refill mark', wire.ONE_TIME_REFILL_AT, limits.prekeyRefillAt],
    ['packet bytes', wire.MAX_PACKET_BYTES, limits.packetBytes],
    ['packets per send', wire.MAX_PACKETS_PER_SEND, limits.packetsPerSend],
    ['link parcel bytes', wire.MAX_LINK_PARCEL_BYTES, limits.linkParcelBytes],
    ['vault bytes', wire.MAX_VAULT_BYTES, limits.vaultBytes],
    ['kdf memory floor', wire.KDF_MIN_MEMORY_KIB, limits.kdfMemoryMinKiB],
    ['kdf memory ceiling', wire.KDF_MAX_MEMORY_KIB, limits.kdfMemoryMaxKiB],
    ['kdf passes floor', wire.KDF_MIN_PASSES, limits.kdfPassesMin],
    ['kdf passes ceiling', wire.KDF_MAX_PASSES, limits.kdfPassesMax],
    ['backup entries', wire.MAX_BACKUP_ENTRIES, limits.backupEntries],
    ['backup entry bytes', wire.MAX_BACKUP_ENTRY_BYTES, limits.backupEntryBytes],
    ['backup manifest bytes', wire.MAX_BACKUP_MANIFEST_BYTES, limits.backupManifestBytes],
    ['backup entries per append', wire.MAX_BACKUP_APPEND, limits.backupAppendEntries],
    ['backup bytes per append', wire.MAX_BACKUP_APPEND_BYTES, limits.backupAppendBytes],
    ['envelope bytes', wire.MAX_ENVELOPE_BYTES, limits.envelopeBytes],
    ['time an ephemeral message is kept', wire.EPHEMERAL_MS, limits.ephemeralMs],
    ['chain certificate bytes', wire.MAX_CHAIN_CERT_BYTES, limits.chainCertBytes],
  ])('%s is the same number in crypto and shared', (_name, ours, shared) => {
    expect(ours).toBe(shared);
  });

  it('verify.ts re-exports every cap and no function that takes or makes a secret', () => {
    expect(verify).toMatchObject(wire);
    const functions = Object.entries(verify).filter(([, value]) => typeof value === 'function');
    for (const [name] of functions)
      expect(name).not.toMatch(/^(sign|create|generate|seal|open(?!AccountLog)|derive)/);
  });
});
