// Which backend a device works with: the platform's WebCrypto where it proves at the start that it gives the pure code's
// answers, nothing ahead otherwise. The crafted signatures are where implementations differ (protocol 3.0).
import type { AheadBackend, AheadJob } from './ahead.ts';
import { equalBytes, fromHex, utf8 } from './bytes.ts';
import {
  ed25519KeyPair,
  ed25519Sign,
  ed25519Verify,
  x25519KeyPair,
  x25519Shared,
  type KeyPair,
} from './primitives.ts';
import type { Rng } from './rng.ts';
import { webBackend, type Subtle } from './web-backend.ts';

/** What a signature check must say, or the 32 bytes an agreement must give. */
interface Trial {
  readonly job: AheadJob;
  readonly expected: boolean | Uint8Array;
}

/** RFC 8032 section 7.1, tests 1 to 3. */
const RFC_8032: readonly (readonly [pub: string, message: string, signature: string])[] = [
  [
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
];

/** Signatures over "cl1" under the key of seed 07…07, made to tell verification rules apart; only byte comparison counts. */
export const CRAFTED = {
  publicKey: 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c',
  message: 'cl1',
  /** R is the identity, canonically encoded: holds. */
  identity:
    '0100000000000000000000000000000000000000000000000000000000000000b7a0aee04c3fe12359d8bc4255b77cfc95c2206aaac7ddc4dfaf1d3519201f0d',
  refused: {
    /** R carries a component of order 8: holds by the cofactored equation. */
    torsion:
      'cdbc161be64c4302f56443ff29ccf36a2075be1a1fa67ff126b56315f5681c382ebbd00f77881c0a8a5b6244b38125f64fa5dd6c1fbcd1a95cc69370428a6d0d',
    /** R is the identity with y = p + 1: holds where R is decoded. */
    notCanonical:
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7facad356d2db610b8e542139787bdc08b40253211b2cc847329a127f0173c270b',
    /** S + L. */
    malleable:
      'ef4f62f8479733ad879cfaced3c89a9c39dd4fc795ef2efa1c3eafe4d729a081955d05e1f351d2420a6c672556f91945ae7529b909af932e4a95260a54a92116',
  },
} as const;

/** RFC 7748 section 6.1. */
const RFC_7748 = {
  secretKey: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
  peer: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  shared: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
} as const;

const RANDOM_ROUNDS = 2;

function signed(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): AheadJob {
  return { kind: 'verify', publicKey, message, signature };
}

function fixedTrials(): Trial[] {
  const { publicKey, message, identity, refused } = CRAFTED;
  const crafted = (signature: string, expected: boolean): Trial => ({
    job: signed(fromHex(publicKey), utf8(message), fromHex(signature)),
    expected,
  });
  return [
    ...RFC_8032.map(([pub, text, signature]) => ({
      job: signed(fromHex(pub), fromHex(text), fromHex(signature)),
      expected: true,
    })),
    crafted(identity, true),
    ...Object.values(refused).map((signature) => crafted(signature, false)),
    {
      job: {
        kind: 'agree',
        secretKey: fromHex(RFC_7748.secretKey),
        publicKey: fromHex(RFC_7748.peer),
      },
      expected: fromHex(RFC_7748.shared),
    },
  ];
}

/** Random keys and messages; what is expected is what the pure code says. */
function randomTrials(rng: Rng): Trial[] {
  const trials: Trial[] = [];
  for (let round = 0; round < RANDOM_ROUNDS; round++) {
    const signer = ed25519KeyPair(rng);
    const message = rng.bytes(40 * round);
    const signature = ed25519Sign(signer.secretKey, message);
    const changed = signature.slice();
    changed[rng.bytes(1)[0]! % changed.length]! ^= 1;
    for (const candidate of [signature, changed])
      trials.push({
        job: signed(signer.publicKey, message, candidate),
        expected: ed25519Verify(signer.publicKey, message, candidate),
      });
    const [own, peer]: [KeyPair, KeyPair] = [x25519KeyPair(rng), x25519KeyPair(rng)];
    trials.push({
      job: { kind: 'agree', secretKey: own.secretKey, publicKey: peer.publicKey },
      expected: x25519Shared(own.secretKey, peer.publicKey),
    });
  }
  return trials;
}

/** Whether the backend answers published, crafted and random trials as the pure code does. */
export async function isTrustworthy(backend: AheadBackend, rng: Rng): Promise<boolean> {
  const trials = [...fixedTrials(), ...randomTrials(rng)];
  const answers = await backend.answer(trials.map(({ job }) => job));
  return trials.every(({ expected }, at) => {
    const answer = answers[at] ?? null;
    if (typeof expected === 'boolean') return (answer === true) === expected;
    return answer instanceof Uint8Array && equalBytes(answer, expected);
  });
}

/**
 * The backend over this WebCrypto if there is one that passes, else null.
 * @param subtle undefined where the origin is not secure
 */
export async function chooseBackend(subtle: Subtle | undefined, rng: Rng): Promise<AheadBackend | null> {
  if (!subtle) return null;
  const backend = webBackend(subtle);
  return (await isTrustworthy(backend, rng)) ? backend : null;
}
