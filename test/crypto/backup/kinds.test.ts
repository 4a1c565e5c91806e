// What backup entries hold: payload codecs, chains taken back out of an archive, and archived keys of direct messages.
import { describe, expect, it } from 'vitest';
import { concat, utf8 } from '#crypto/bytes.ts';
import {
  archiveDmKey,
  decodeChainArchive,
  decodeDmKeys,
  decodePeerState,
  encodeChainArchive,
  encodeDmKeys,
  encodePeerState,
  type ChainArchive,
} from '#crypto/backup-kinds.ts';
import { verifyChainCert } from '#crypto/chain-cert.ts';
import { encryptDm, openArchivedDm, type DmConversation } from '#crypto/dm-message.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import { restoreChain, type ReceiverChain } from '#crypto/receiver-chain.ts';
import { createSenderChain, stepChain, type SenderChain } from '#crypto/sender-chain.ts';
import { encryptGroupEvent, openGroupEvent } from '#crypto/sender-key.ts';
import { acknowledgeSend } from '#crypto/sender-chain.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeAccount, NOW } from '../support/people.ts';

const rng = seededRng(utf8('backup kinds'));
const [ada, bob] = [makeAccount('ada', 2), makeAccount('bob', 1)];
const channelId = rng.bytes(16);
const deviceOf = (account: typeof ada, at = 0) => ({
  aid: account.log.aid,
  deviceId: account.devices[at]!.secrets.deviceId,
});

describe('payloads', () => {
  const archive: ChainArchive = {
    channelId,
    owner: deviceOf(ada),
    chainId: rng.bytes(8),
    certHash: rng.bytes(32),
    startIter: 999,
    chainKey: rng.bytes(32),
    historyUpTo: null,
  };
  const dmKey = () => ({ eventId: rng.bytes(16), contentKey: rng.bytes(32), binding: rng.bytes(32) });

  it('come back as they went in', () => {
    for (const one of [archive, { ...archive, startIter: 0, historyUpTo: 123_456 }])
      expect(decodeChainArchive(encodeChainArchive(one))).toEqual(one);
    const keys = Array.from({ length: 256 }, dmKey);
    expect(decodeDmKeys(encodeDmKeys(keys))).toEqual(keys);
    const state = { aid: ada.log.aid, record: utf8('verified') };
    expect(decodePeerState(encodePeerState(state))).toEqual(state);
  });

  it('A95 one byte more, less or over the caps is refused', () => {
    const cases = [
      [encodeChainArchive(archive), decodeChainArchive],
      [encodeDmKeys([dmKey()]), decodeDmKeys],
      [encodePeerState({ aid: ada.log.aid, record: utf8('x') }), decodePeerState],
    ] as const;
    for (const [bytes, decode] of cases) {
      expectCode('malformed', () => decode(bytes.slice(0, -1)));
      expectCode('malformed', () => decode(concat(bytes, Uint8Array.of(0))));
    }
    expectCode('limit', () => encodeChainArchive({ ...archive, startIter: 1000 }));
    expectCode('limit', () => encodeDmKeys(Array.from({ length: 257 }, dmKey)));
    expectCode('malformed', () => encodeDmKeys([]));
    expectCode('malformed', () => decodeDmKeys(Uint8Array.of(0)));
    expectCode('unsupported', () =>
      decodeChainArchive(concat(Uint8Array.of(2), encodeChainArchive(archive).slice(1))),
    );
    expectCode('limit', () => encodePeerState({ aid: ada.log.aid, record: new Uint8Array(513) }));
  });
});

/** Ada's chain with `count` messages sent under it. */
function talk(count: number, shareable = false) {
  const deviceSecretKey = ada.devices[0]!.secrets.signing.secretKey;
  const first = createSenderChain(
    {
      channelId,
      owner: deviceOf(ada),
      deviceSecretKey,
      epoch: 1,
      shareable,
      ownDeviceListHash: rng.bytes(32),
      readers: [],
    },
    { rng, now: NOW },
  );
  let chain: SenderChain = first;
  const events = Array.from({ length: count }, (_, at) => {
    const eventId = timeOrderedId(NOW + at, rng);
    const header = { class: 'message', channelId, eventId, epoch: 1, blobIds: [] } as const;
    const content = { type: 'text', text: `message ${at}` } as const;
    const sealed = encryptGroupEvent(chain, { header, content }, { rng, now: NOW });
    chain = acknowledgeSend(sealed.chain, eventId);
    return { envelope: sealed.envelope, seq: at + 1, createdAt: NOW + at, sender: deviceOf(ada) };
  });
  const cert = verifyChainCert(first.cert, {
    channelId,
    ...deviceOf(ada),
    devicePublicKey: ada.devices[0]!.cert.signingPub,
    maxEpoch: 1,
  });
  return { first, events, cert };
}

/** The chain key after `iter` steps. */
function keyAt(chain: SenderChain, iter: number): Uint8Array {
  let key = chain.seed;
  for (let i = 0; i < iter; i++) key = stepChain(key).chainKey;
  return key;
}

const archiveOf = (chain: SenderChain, startIter = 0): ChainArchive => ({
  channelId,
  owner: chain.owner,
  chainId: chain.chainId,
  certHash: chain.certHash,
  startIter,
  chainKey: keyAt(chain, startIter),
  historyUpTo: null,
});

const place = { minEpoch: 0, minCreatedAt: 0, now: NOW };

function readAll(chain: ReceiverChain, events: ReturnType<typeof talk>['events']): string[] {
  let current = chain;
  return events.map((event) => {
    const { chain: next, opened } = openGroupEvent(current, event, place);
    current = next;
    return opened.content.type === 'text' ? opened.content.text : '';
  });
}

describe('chains out of the archive', () => {
  const context = (cert: ReturnType<typeof talk>['cert'], existing: readonly ReceiverChain[] = []) => ({
    cert,
    existing,
    now: NOW,
  });

  it('open every message from their start on', () => {
    const { first, events, cert } = talk(5);
    const whole = restoreChain(archiveOf(first), context(cert)).chain;
    expect(readAll(whole, events)).toEqual(['message 0', 'message 1', 'message 2', 'message 3', 'message 4']);
    const half = restoreChain(archiveOf(first, 3), context(cert)).chain;
    expect(readAll(half, events.slice(3))).toEqual(['message 3', 'message 4']);
    expectCode('unknown_chain', () => openGroupEvent(half, events[2]!, place));
  });

  it('lower the start of a chain that is held, only by a key that leads to it', () => {
    const { first, events, cert } = talk(5);
    const held = restoreChain(archiveOf(first, 3), context(cert)).chain;
    const { chain: used } = openGroupEvent(held, events[3]!, place);
    const extended = restoreChain(archiveOf(first), context(cert, [used])).chain;
    expect(readAll(extended, [...events.slice(0, 3), events[4]!])).toEqual([
      'message 0',
      'message 1',
      'message 2',
      'message 4',
    ]);
    expectCode('replay', () => openGroupEvent(extended, events[3]!, place));
    const wrong = { ...archiveOf(first), chainKey: rng.bytes(32) };
    expectCode('mismatch', () => restoreChain(wrong, context(cert, [used])));
    expect(restoreChain(archiveOf(first, 4), context(cert, [used])).chain).toBe(used);
  });

  it('A85 an archive belongs to one certificate', () => {
    const [one, two] = [talk(1), talk(1)];
    expectCode('mismatch', () => restoreChain(archiveOf(one.first), context(two.cert)));
  });

  it('A73 what another member handed on stays history only, and needs a shareable chain', () => {
    const [closed, open] = [talk(2), talk(2, true)];
    const history = { ...archiveOf(open.first), historyUpTo: 1 };
    expectCode('not_allowed', () =>
      restoreChain({ ...archiveOf(closed.first), historyUpTo: 1 }, context(closed.cert)),
    );
    const { chain } = restoreChain(history, context(open.cert));
    expect(readAll(chain, open.events.slice(0, 1))).toEqual(['message 0']);
    expectCode('not_allowed', () => openGroupEvent(chain, open.events[1]!, place));
    const own = restoreChain(archiveOf(open.first), context(open.cert, [chain])).chain;
    expect([own.origin, own.historyUpTo]).toEqual(['own', null]);
    expectCode('not_allowed', () => restoreChain(history, context(open.cert, [own])));
  });
});

describe('direct messages out of the archive', () => {
  const conversation: DmConversation = { channelId, participants: [ada.log.aid, bob.log.aid] };
  const write = (text: string, sender = deviceOf(ada), eventId = timeOrderedId(NOW, rng)) => {
    const header = { class: 'message', channelId, eventId, epoch: 0, blobIds: [] } as const;
    const sealed = encryptDm({ header, content: { type: 'text', text }, sender }, rng);
    return { sealed, event: { envelope: sealed.envelope, seq: 1, createdAt: NOW, sender } };
  };

  it('open for the very message they were kept with', () => {
    const { sealed, event } = write('hello');
    const opened = openArchivedDm(event, archiveDmKey(sealed.key), conversation);
    expect(opened.content).toMatchObject({ type: 'text', text: 'hello' });
  });

  it('A85 other words under the same key, or another sender, are refused although the seal would hold', () => {
    const kept = write('I agree');
    const key = archiveDmKey(kept.sealed.key);
    // Bob knows the content key: with the server's help he seals other words under it, in Ada's name.
    const { contentKey } = kept.sealed.key;
    const forged = write('I refuse', deviceOf(ada), kept.sealed.key.eventId);
    const swapped = { ...archiveDmKey(forged.sealed.key), binding: key.binding };
    expectCode('mismatch', () => openArchivedDm(forged.event, swapped, conversation));
    expectCode('mismatch', () =>
      openArchivedDm(kept.event, { ...key, binding: rng.bytes(32) }, conversation),
    );
    const otherDevice = { ...kept.event, sender: deviceOf(ada, 1) };
    expectCode('mismatch', () => openArchivedDm(otherDevice, key, conversation));
    const stranger = { channelId, participants: [bob.log.aid, bob.log.aid] } as const;
    expectCode('not_allowed', () => openArchivedDm(kept.event, key, stranger));
    expectCode('mismatch', () =>
      openArchivedDm(kept.event, { ...key, eventId: rng.bytes(16) }, conversation),
    );
    expectCode('bad_mac', () =>
      openArchivedDm(kept.event, { ...key, contentKey: contentKey.map((byte) => byte ^ 1) }, conversation),
    );
  });
});
