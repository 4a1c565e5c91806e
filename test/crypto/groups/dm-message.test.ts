import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equalBytes } from '#crypto/bytes.ts';
import { acceptDmKey, encryptDm, openDm, type DmKey, type EncryptedDm } from '#crypto/dm-message.ts';
import { decodeEnvelope, encodeEnvelope, type Envelope } from '#crypto/envelope.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import { encodePairwise } from '#crypto/pairwise.ts';
import { H } from '#crypto/primitives.ts';
import {
  CHANNEL,
  flip,
  headerFor,
  NOW,
  OTHER_CHANNEL,
  overSession,
  person,
  rngOf,
  type Person,
} from './group-people.ts';
import { expectCode } from '../support/expect-code.ts';

const ada = person('ada');
const bob = person('bob');
const mallory = person('mallory');
const CONVERSATION = { channelId: CHANNEL, participants: [ada.device.aid, bob.device.aid] as const };

function send(text: string, from: Person = ada): EncryptedDm {
  const rng = rngOf(`dm/${text}`);
  const content = { type: 'text', text } as const;
  const header = headerFor(content, timeOrderedId(NOW, rng));
  return encryptDm({ header, content, sender: from.device }, rng);
}

function delivered(envelope: Uint8Array, from: Person = ada) {
  return { envelope, seq: 1, createdAt: NOW, sender: from.device };
}

function keyOf(sent: EncryptedDm, from: Person = ada): DmKey {
  return acceptDmKey(overSession(from, sent.keyPacket));
}

function change(envelope: Uint8Array, fields: Partial<Envelope>): Uint8Array {
  return encodeEnvelope({ ...decodeEnvelope(envelope), ...fields });
}

describe('direct messages', () => {
  it('opens what the peer sent, with the bytes a report would need', () => {
    const sent = send('hello');
    const opened = openDm(delivered(sent.envelope), keyOf(sent), CONVERSATION);
    expect(opened.content).toEqual({ type: 'text', text: 'hello' });
    expect(opened.contentBytes).toEqual(sent.contentBytes);
    expect(opened.frankKey).toEqual(sent.frankKey);
    expect(opened.sender).toEqual(ada.device);
    expect(opened.header.mode).toBe('dm');
  });

  it('hides the length of short texts', () => {
    const lengths = ['a', 'b'.repeat(60), 'c'.repeat(90)].map((text) => send(text).envelope.length);
    expect(new Set(lengths).size).toBe(1);
  });

  it('never encrypts content that disagrees with its header', () => {
    const rng = rngOf('dm/disagree');
    const header = headerFor({ type: 'text', text: 'x' }, timeOrderedId(NOW, rng));
    const content = { type: 'redact', target: header.eventId } as const;
    expectCode('mismatch', () => encryptDm({ header, content, sender: ada.device }, rng));
  });

  it('fails for every bit of the envelope', () => {
    const sent = send('bits');
    const key = keyOf(sent);
    fc.assert(
      fc.property(fc.nat(sent.envelope.length - 1), fc.nat(7), (index, bit) => {
        const changed = flip(sent.envelope, index, bit);
        expect(() => openDm(delivered(changed), key, CONVERSATION)).toThrow();
      }),
      { numRuns: 400 },
    );
  });

  it('A51 a key from the session of one person opens no event of another', () => {
    const fromBob = send('from bob', bob);
    const fromAda = send('from ada', ada);
    // Mallory, or Bob himself, hands Ada's key on over his own session and claims her event
    const stolen = acceptDmKey(overSession(bob, fromAda.keyPacket));
    expectCode('mismatch', () => openDm(delivered(fromAda.envelope), stolen, CONVERSATION));
    // and the server relabels the event as Bob's: the associated data still names Ada
    expectCode('bad_mac', () => openDm(delivered(fromAda.envelope, bob), stolen, CONVERSATION));
    expect(openDm(delivered(fromBob.envelope, bob), keyOf(fromBob, bob), CONVERSATION).sender).toEqual(
      bob.device,
    );
  });

  it('A51 an outsider is nobody in a conversation of two', () => {
    const sent = send('let me in', mallory);
    const key = keyOf(sent, mallory);
    expectCode('not_allowed', () => openDm(delivered(sent.envelope, mallory), key, CONVERSATION));
  });

  it('A52 refuses a body with another hash, a swapped body and an altered commitment', () => {
    const [one, two] = [send('one'), send('two')];
    const [first, second] = [decodeEnvelope(one.envelope), decodeEnvelope(two.envelope)];
    const swapped = change(one.envelope, { payload: second.payload });
    expectCode('mismatch', () => openDm(delivered(swapped), keyOf(one), CONVERSATION));
    const touched = change(one.envelope, { payload: flip(first.payload, 60) });
    expectCode('mismatch', () => openDm(delivered(touched), keyOf(one), CONVERSATION));
    const altered = change(one.envelope, { commit: flip(first.commit, 0) });
    expectCode('mismatch', () => openDm(delivered(altered), keyOf(one), CONVERSATION));
    // a key packet that vouches for the swapped body still meets the wrong key and associated data
    const lying: DmKey = { ...keyOf(one), bodyHash: H(second.payload) };
    expectCode('bad_mac', () => openDm(delivered(swapped), lying, CONVERSATION));
    const lyingCommit: DmKey = { ...keyOf(one), commit: flip(first.commit, 0) };
    expectCode('bad_mac', () => openDm(delivered(altered), lyingCommit, CONVERSATION));
  });

  it('A52 refuses a commitment its own content does not open', () => {
    // the sender itself lies: header and key packet carry a commitment to something else
    const sent = send('unreportable');
    const honest = decodeEnvelope(sent.envelope);
    const key = keyOf(sent);
    const forged = { ...key, commit: flip(key.commit, 3) };
    const envelope = encodeEnvelope({ ...honest, commit: forged.commit });
    expectCode('bad_mac', () => openDm(delivered(envelope), forged, CONVERSATION));
  });

  it('binds every header field the server sees', () => {
    const sent = send('bound');
    const key = keyOf(sent);
    const ref = timeOrderedId(NOW, rngOf('another'));
    for (const fields of [
      { epoch: 6 },
      { ttlSeconds: 60 },
      { threadRoot: ref },
      { ref },
      { blobIds: [ref] },
      { class: 'edit', ref },
    ] as const) {
      expectCode('bad_mac', () => openDm(delivered(change(sent.envelope, fields)), key, CONVERSATION));
    }
    expectCode('mismatch', () =>
      openDm(delivered(change(sent.envelope, { channelId: OTHER_CHANNEL })), key, CONVERSATION),
    );
    const anotherId = change(sent.envelope, { eventId: ref });
    expectCode('mismatch', () => openDm(delivered(anotherId), key, CONVERSATION));
  });

  it('A76 shows no event of another mode in a conversation, whatever the server calls the channel', () => {
    const sent = send('plain');
    const key = keyOf(sent);
    for (const mode of ['group', 'control', 'webhook', 'system'] as const) {
      expectCode('not_allowed', () => openDm(delivered(change(sent.envelope, { mode })), key, CONVERSATION));
    }
  });

  it('takes keys only out of key packets', () => {
    const withheld = { channelId: CHANNEL, chainId: new Uint8Array(8), code: 'too-old' } as const;
    const other = encodePairwise({ kind: 'withheld', ...withheld });
    expectCode('malformed', () => acceptDmKey(overSession(ada, other)));
    const sent = send('cut');
    expectCode('malformed', () => acceptDmKey(overSession(ada, sent.keyPacket.slice(0, -1))));
    expectCode('malformed', () => acceptDmKey(overSession(ada, concat(sent.keyPacket, Uint8Array.of(0)))));
    expectCode('unsupported', () => acceptDmKey(overSession(ada, Uint8Array.of(99))));
  });

  it('keeps two sends of the same text unlinkable', () => {
    const rng = rngOf('dm/twice');
    const content = { type: 'text', text: 'same' } as const;
    const header = headerFor(content, timeOrderedId(NOW, rng));
    const [a, b] = [1, 2].map(() => encryptDm({ header, content, sender: ada.device }, rng));
    expect(equalBytes(a!.envelope, b!.envelope)).toBe(false);
    expect(equalBytes(a!.keyPacket, b!.keyPacket)).toBe(false);
  });
});
