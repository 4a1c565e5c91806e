// A second implementation of docs/protocol.md, in Python and sharing no code with ours, re-reads the frozen vectors:
// signatures, hashes, keys from seeds, Argon2id, HKDF, the recovery check and both vault slots.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../support/oracle.py', import.meta.url));
const probe = 'import cryptography.hazmat.primitives.asymmetric.mlkem';
const available = spawnSync('python3', ['-c', probe]).status === 0;

describe('independent oracle', () => {
  it.skipIf(!available)('agrees with every frozen vector (needs python3 with cryptography ≥ 48)', () => {
    const out = execFileSync('python3', [script], { encoding: 'utf8' });
    expect(out).toMatch(/^ok \d{3,}\n$/);
  });
});
