// Chains whose keys last 24 hours (protocol 3.10, P13): what their certificate fixes, and what nobody can make of them.
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '#crypto/bytes.ts';
import { parseChainCert, signChainCert, verifyChainCert } from '#crypto/chain-cert.ts';
import { EPHEMERAL_CHAIN_MS, EPHEMERAL_MS } from '#crypto/constants.ts';
import { parseEnvelopeHeader } from '#crypto/envelope.ts';
import { answerKeyRequest } from '#crypto/key-request.ts';
import { decodePairwise, encodePairwise } from '#crypto/pairwise.ts';
import { installChain, installForwardedChain, restoreChain } from '#crypto/receiver-chain.ts';
import { needsNewChain, senderChainPacket } from '#crypto/sender-chain.ts';
import { encryptGroupEvent, openGroupEvent } from '#crypto/sender-key.ts';
import { expectCode } from '../support/expect-code.ts';
import { frozenVectors } from '../support/vectors.ts';
import {
  certOf,
  chainOf,
  CHANNEL,
  CONTEXT,
  EPOCH,
  expectedOf,
  flip,
  headerFor,
  NOW,
  overSession,
  pair,
  person,
  received,
  rngOf,
  Speaker,
} from './group-people.ts';

const ada = person('ada');
const bob = person('bob');
const carol = person('carol');
/** Version, then flags. */
const FLAGS_AT = 1;
const owner = expectedOf(ada);
const fading = (seed: string) => chainOf(ada, seed, { ephemeral: true });

describe('ephemeral chains', () => {
  it('frozen vectors: certificate, chain packet, message', () => {
    const chain = fading('vector/ephemeral');
    const { envelope } = new Speaker(ada, chain, 'vector/ephemeral').say('gone tomorrow');
    const fresh = {
      cert: toHex(chain.cert),
      packet: toHex(senderChainPacket(chain)),
      envelope: toHex(envelope),
    };
    const frozen = frozenVectors('ephemeral-chain.json', fresh);
    expect(fresh).toEqual(frozen);
    const cert = verifyChainCert(fromHex(frozen.cert), owner);
    expect(cert).toMatchObject({ ephemeral: true, shareable: false, createdAt: NOW });
    expect(cert.notAfter - cert.createdAt).toBe(EPHEMERAL_CHAIN_MS);
    expect(parseEnvelopeHeader(fromHex(frozen.envelope)).ttlSeconds).toBe(EPHEMERAL_MS / 1000);
    const packet = overSession(ada, fromHex(frozen.packet));
    expect(decodePairwise(packet)).toMatchObject({ kind: 'chain', madeAt: NOW });
    const { chain: held } = installChain(packet, { cert, existing: [], now: NOW });
    const event = { envelope: fromHex(frozen.envelope), seq: 1, createdAt: NOW, sender: ada.device };
    expect(openGroupEvent(held, event, CONTEXT).opened.content).toEqual({
      type: 'text',
      text: 'gone tomorrow',
    });
  });

  it('A73 the flag cannot be flipped on the way, in either direction', () => {
    const faded = flip(fading('flip').cert, FLAGS_AT, 1);
    const kept = flip(chainOf(ada, 'flip/kept').cert, FLAGS_AT, 1);
    expect(parseChainCert(faded).ephemeral).toBeUndefined();
    expectCode('bad_signature', () => verifyChainCert(faded, owner));
    // Kept ones live longer than an ephemeral one may: refused before the signature is looked at.
    expectCode('limit', () => verifyChainCert(kept, owner));
    expectCode('malformed', () => parseChainCert(flip(fading('flip/both').cert, FLAGS_AT, 0)));
  });

  it('no device signs one that is shareable too, or is used for longer than an hour', () => {
    const cert = parseChainCert(fading('terms').cert);
    expectCode('malformed', () => signChainCert({ ...cert, shareable: true }, ada.secretKey));
    expectCode('limit', () => signChainCert({ ...cert, notAfter: cert.notAfter + 1 }, ada.secretKey));
  });

  it('A72 nobody hands one on: not a member, not an own device, not the backup', () => {
    const chain = fading('handed');
    const { chainId, cert, seed } = chain;
    const payload = encodePairwise({ kind: 'forwarded-chain', cert, startIter: 0, chainKey: seed });
    const context = { cert: certOf(chain, ada), existing: [], now: NOW, historyUpTo: 9 };
    for (const ownAid of [carol.device.aid, bob.device.aid]) {
      const packet = overSession(bob, payload);
      expectCode('not_allowed', () => installForwardedChain(packet, { ...context, ownAid }));
    }
    const certHash = chain.certHash;
    const archive = {
      channelId: CHANNEL,
      owner: ada.device,
      chainId,
      certHash,
      startIter: 0,
      chainKey: seed,
    };
    expectCode('not_allowed', () => restoreChain({ ...archive, historyUpTo: null }, context));

    const request = { kind: 'key-request' as const, channelId: CHANNEL, chainId, iter: 0 };
    const held = { channelId: CHANNEL, chainId, cert, shareable: true, ephemeral: true };
    for (const ownAid of [bob.device.aid, carol.device.aid]) {
      const asker = { device: carol.device, live: true, member: true };
      const requested = { kind: 'held', chain: { ...held, iter: 0, chainKey: seed }, ownAid } as const;
      expect(answerKeyRequest(request, asker, requested)).toMatchObject({ answer: false });
    }
  });

  it('its owner gives it to who was there, and to a newcomer from the next message on', () => {
    const speaker = new Speaker(
      ada,
      chainOf(ada, 'owner', { ephemeral: true, readers: [bob.device.aid] }),
      'o',
    );
    speaker.say('before');
    const { chain } = speaker;
    const ask = (device: typeof bob.device, iter: number) =>
      answerKeyRequest(
        { kind: 'key-request', channelId: CHANNEL, chainId: chain.chainId, iter },
        { device, live: true, member: true },
        { kind: 'owned', chain },
      );
    expect(ask(bob.device, 0)).toMatchObject({ answer: true, startIter: 0 });
    expect(ask(carol.device, 0)).toMatchObject({ answer: false, code: 'not-shareable' });
    expect(ask(carol.device, 1)).toMatchObject({ answer: true, startIter: 1 });
  });

  it('packet, certificate and message say the same about how long', () => {
    const [chain, kept] = [fading('same'), chainOf(ada, 'same/kept')];
    const bare = { chainId: chain.chainId, startIter: 0, chainKey: chain.seed, certHash: chain.certHash };
    const install = (payload: Uint8Array, of = chain) =>
      installChain(overSession(ada, payload), { cert: certOf(of, ada), existing: [], now: NOW });
    expectCode('mismatch', () => install(encodePairwise({ kind: 'chain', ...bare })));
    expectCode('mismatch', () => install(encodePairwise({ kind: 'chain', ...bare, madeAt: NOW + 1 })));
    const { chainId, seed: chainKey, certHash } = kept;
    const dated = encodePairwise({ kind: 'chain', chainId, startIter: 0, chainKey, certHash, madeAt: NOW });
    expectCode('mismatch', () => install(dated, kept));
    // A message under a kept chain cannot ask the server to throw it away.
    const content = { type: 'text', text: 'kept' } as const;
    const header = { ...headerFor(content, fromHex('0198f0000000700080000000000000aa')), ttlSeconds: 86_400 };
    const { envelope } = encryptGroupEvent(kept, { header, content }, { rng: rngOf('ttl'), now: NOW });
    const event = { envelope, seq: 1, createdAt: NOW, sender: ada.device };
    expectCode('mismatch', () => openGroupEvent(received(ada, kept, 0), event, CONTEXT));
  });

  it('opens nothing the server dates later than a day after it was made', () => {
    const at = (createdAt: number) => {
      const { ada: speaker, held } = pair('late', { ephemeral: true });
      return () => openGroupEvent(held, speaker.say('late', createdAt), CONTEXT);
    };
    expect(at(NOW + EPHEMERAL_MS)).not.toThrow();
    expectCode('expired', at(NOW + EPHEMERAL_MS + 1));
  });

  it('a change of policy in either direction begins a new chain', () => {
    const facts = { now: NOW, epoch: EPOCH, ownDeviceListHash: new Uint8Array(32), shareable: false };
    expect(needsNewChain(fading('turn'), { ...facts, ephemeral: false })).toBe('history-policy');
    expect(needsNewChain(chainOf(ada, 'turn/kept'), { ...facts, ephemeral: true })).toBe('history-policy');
    expect(needsNewChain(fading('turn'), { ...facts, ephemeral: true })).toBeNull();
    expect(needsNewChain(chainOf(ada, 'turn/kept'), { ...facts, ephemeral: false })).toBeNull();
    const later = { ...facts, ephemeral: true, now: NOW + EPHEMERAL_CHAIN_MS };
    expect(needsNewChain(fading('turn'), later)).toBe('expired');
  });
});
