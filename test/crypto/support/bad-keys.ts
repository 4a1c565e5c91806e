// Public keys every import must refuse (A13, A14), and ML-KEM keys over the modulus.
import { ed25519 } from '@noble/curves/ed25519.js';
import { fromHex, utf8 } from '#crypto/bytes.ts';
import { ed25519KeyPair, kemKeyPair } from '#crypto/primitives.ts';
import { seededRng } from '#crypto/seeded-rng.ts';

export interface BadKey {
  readonly name: string;
  readonly key: Uint8Array;
}

const named = (name: string, hex: string): BadKey => ({ name, key: fromHex(hex) });
const F = (n: number) => 'ff'.repeat(n);
const ZERO = (n: number) => '00'.repeat(n);

/** One generator of the order-8 torsion subgroup. */
export const TORSION_POINT = ed25519.Point.fromHex(
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
);

/** An honest key plus a torsion point of order 8, 4 and 2. */
function torsioned(): BadKey[] {
  const honest = ed25519.Point.fromBytes(ed25519KeyPair(seededRng(utf8('torsion'))).publicKey);
  return [1n, 2n, 4n].map((times) => ({
    name: `honest key plus torsion of order ${8n / times}`,
    key: honest.add(TORSION_POINT.multiplyUnsafe(times)).toBytes(),
  }));
}

export const BAD_ED25519: readonly BadKey[] = [
  named('order 1', `01${ZERO(31)}`),
  named('order 2', `ec${F(30)}7f`),
  named('order 4', ZERO(32)),
  named('order 4, other sign', `${ZERO(31)}80`),
  named('order 8 a', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
  named('order 8 b', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'),
  named('order 8 c', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
  named('order 8 d', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'),
  named('y = p', `ed${F(30)}7f`),
  named('y = p + 1', `ee${F(30)}7f`),
  named('y = p + 3', `f0${F(30)}7f`),
  named('x = 0 with the sign bit', `01${ZERO(30)}80`),
  named('not on the curve', `02${ZERO(31)}`),
  named('too short', ZERO(31)),
  named('too long', ZERO(33)),
  ...torsioned(),
];

export const BAD_X25519: readonly BadKey[] = [
  named('u = 0', ZERO(32)),
  named('u = 1', `01${ZERO(31)}`),
  named('order 8 a', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'),
  named('order 8 b', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'),
  named('u = p - 1', `ec${F(30)}7f`),
  named('u = p', `ed${F(30)}7f`),
  named('u = p + 1', `ee${F(30)}7f`),
  named('u = p + 9 (the base point again)', `f6${F(30)}7f`),
  named('top bit set', `09${ZERO(30)}80`),
  named('all ones', F(32)),
  named('too short', `09${ZERO(30)}`),
  named('too long', `09${ZERO(32)}`),
];

function badKem(): BadKey[] {
  const honest = kemKeyPair(seededRng(utf8('kem'))).publicKey;
  const low = honest.slice();
  low.set([0x01, 0x0d | (low[1]! & 0xf0)], 0); // first coefficient 3329
  const high = honest.slice();
  high.set([0xf0 | (high[1150]! & 0x0f), 0xff], 1150); // last coefficient 4095, the one before it as it was
  return [
    { name: 'coefficient 3329', key: low },
    { name: 'coefficient 4095 at the end', key: high },
    { name: 'too short', key: honest.slice(1) },
    { name: 'all ones', key: new Uint8Array(1184).fill(255) },
  ];
}

export const BAD_KEM: readonly BadKey[] = badKem();
