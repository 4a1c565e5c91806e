// Linking a device: what two honest devices say to each other, and what a server or a bystander can do about it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createAddDevice,
  extendAccountLog,
  openAccountLog,
  createRevokeDevice,
} from '#crypto/account-log.ts';
import { fromHex, toBase64Url, toHex, utf8 } from '#crypto/bytes.ts';
import { CryptoError } from '#crypto/errors.ts';
import {
  askLink,
  checkGrantedLog,
  createLinkOffer,
  decodeLinkCode,
  encodeLinkCode,
  grantLink,
  linkClaimHash,
  linkEcho,
  meetLink,
  takeGrant,
  takeMeeting,
  takeRequest,
} from '#crypto/linking.ts';
import { x25519KeyPair } from '#crypto/primitives.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeAccount, makeDevice } from '../support/people.ts';
import { frozenVectors } from '../support/vectors.ts';

/** Both sides up to the request, on their own randomness. */
function exchange(seed: string) {
  const account = makeAccount(seed);
  const rng = seededRng(utf8(`${seed}/link`));
  const offer = createLinkOffer(rng);
  const text = encodeLinkCode(offer.code);
  const code = decodeLinkCode(text);
  const { aid } = account.log;
  const met = meetLink(code, aid, rng);
  const taken = takeMeeting(offer, met.parcel);
  const device = makeDevice(account);
  const asked = askLink(taken.channel, { cert: device.cert, label: 'Firefox on Linux' }, rng);
  const heard = takeRequest(met.channel, asked.parcel, aid);
  return { account, rng, offer, text, code, aid, met, taken, device, asked, heard };
}

/** The old device certifies and hands over. */
function granted(link: ReturnType<typeof exchange>) {
  const { account, heard, device } = link;
  const old = account.devices[0]!.secrets;
  const signer = { kind: 'device', deviceId: old.deviceId, secretKey: old.signing.secretKey } as const;
  const entry = createAddDevice(account.log, heard.request.cert, signer);
  const log = extendAccountLog(account.log, [entry]);
  const grant = {
    accountId: log.accountId,
    rootPub: log.rootPub,
    head: { seq: log.headSeq, hash: log.headHash },
    backupKey: link.rng.bytes(32),
    backupVersion: 1,
    username: 'ada',
  };
  const entries = [...account.entries, entry];
  return { parcel: grantLink(heard.channel, grant, link.rng), grant, log, entries, device };
}

const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const out = bytes.slice();
  out[at] = out[at]! ^ 1;
  return out;
};

describe('an honest exchange', () => {
  const link = exchange('honest');
  const end = granted(link);

  it('shows both the same pictures, hands over the account, and agrees on one claim', () => {
    expect(link.taken.aid).toEqual(link.aid);
    expect(link.heard.request).toMatchObject({ label: 'Firefox on Linux' });
    expect(link.heard.request.cert.encoded).toEqual(link.device.cert.encoded);
    expect(linkEcho(link.heard.channel)).toEqual(linkEcho(link.asked.channel));
    expect(takeGrant(link.asked.channel, end.parcel, link.aid)).toEqual(end.grant);
    expect(link.heard.channel.claim).toEqual(link.asked.channel.claim);
    expect(linkClaimHash(link.asked.channel.claim)).not.toEqual(link.asked.channel.claim);
    expect(() => checkGrantedLog(openAccountLog(end.entries), end.grant, link.device.cert)).not.toThrow();
  });

  it('puts no secret into what the server relays', () => {
    const relayed = [link.met.parcel, link.asked.parcel, end.parcel].map(toHex).join();
    const { channel } = link.heard;
    const hidden = [
      link.code.secret,
      end.grant.backupKey,
      channel.claim,
      channel.fromNew,
      link.device.cert.signingPub,
    ];
    for (const secret of hidden) expect(relayed).not.toContain(toHex(secret));
  });

  it('uses the pictures evenly', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 400; i++) {
      const channel = { ...link.heard.channel, transcript: seededRng(utf8(`echo${i}`)).bytes(32) };
      for (const picture of linkEcho(channel)) seen.add(picture);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, i) => i));
  });
});

describe('link code', () => {
  const { text, code } = exchange('code');
  const prefix = 'chatalot-link.';

  it('is 124 characters, says nothing twice, and reads back', () => {
    expect(text).toMatch(/^chatalot-link\.[\w-]{110}$/);
    expect(decodeLinkCode(text)).toEqual(code);
    expect(exchange('code2').text).not.toBe(text);
  });

  it.each([
    ['nothing', ''],
    ['no prefix', text.slice(prefix.length)],
    ['a comparison code', text.replace('link', 'compare')],
    ['a character less', text.slice(0, -1)],
    ['a character more', `${text}A`],
    ['a space', ` ${text}`],
  ])('refuses %s', (_what, shown) => void expectCode('malformed', () => decodeLinkCode(shown)));

  it('refuses another version and a key of small order', () => {
    const bytes = new Uint8Array(82);
    bytes[0] = 2;
    expectCode('unsupported', () => decodeLinkCode(prefix + toBase64Url(bytes)));
    bytes[0] = 1;
    bytes[17] = 2;
    expect(() => decodeLinkCode(prefix + toBase64Url(bytes))).toThrow(CryptoError);
  });

  it('accepts one text per code', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'AQgw_-.x'), (at, character) => {
        const shown = text.slice(0, at) + character + text.slice(at + 1);
        try {
          expect(encodeLinkCode(decodeLinkCode(shown))).toBe(shown);
        } catch (error) {
          expect(error).toBeInstanceOf(CryptoError);
        }
      }),
    );
  });
});

describe('a hostile relay', () => {
  const link = exchange('hostile');
  const end = granted(link);

  it('cannot put its own ephemeral key in the first parcel', () => {
    const key = x25519KeyPair(link.rng).publicKey;
    const swapped = link.met.parcel.slice();
    swapped.set(key, 2);
    expectCode('bad_mac', () => takeMeeting(link.offer, swapped));
  });

  it('cannot answer the code without its secret', () => {
    const guessed = { ...link.code, secret: link.rng.bytes(32) };
    const own = meetLink(guessed, link.aid, link.rng);
    expectCode('bad_mac', () => takeMeeting(link.offer, own.parcel));
  });

  it('cannot put another certificate in the second parcel', () => {
    const mine = makeDevice(link.account);
    const guessed = meetLink({ ...link.code, secret: link.rng.bytes(32) }, link.aid, link.rng);
    const forged = askLink(guessed.channel, { cert: mine.cert, label: 'Firefox on Linux' }, link.rng);
    expectCode('bad_mac', () => takeRequest(link.met.channel, forged.parcel, link.aid));
  });

  it('cannot play one parcel for another, nor back to its sender', () => {
    expectCode('bad_mac', () => takeRequest(link.met.channel, link.met.parcel, link.aid));
    expectCode('bad_mac', () => takeGrant(link.asked.channel, link.asked.parcel, link.aid));
    expectCode('bad_mac', () => takeGrant(link.taken.channel, end.parcel, link.aid));
    expectCode('bad_mac', () => takeRequest(link.heard.channel, link.asked.parcel, link.aid));
  });

  it('cannot use the parcels of another exchange over the same code', () => {
    const again = meetLink(link.code, link.aid, link.rng);
    expectCode('bad_mac', () => takeRequest(again.channel, link.asked.parcel, link.aid));
    expectCode('bad_mac', () =>
      takeGrant(
        askLink(takeMeeting(link.offer, again.parcel).channel, link.heard.request, link.rng).channel,
        end.parcel,
        link.aid,
      ),
    );
  });

  it('cannot change or cut off one byte of any parcel', () => {
    const takes = [
      [link.met.parcel, (p: Uint8Array) => takeMeeting(link.offer, p)],
      [link.asked.parcel, (p: Uint8Array) => takeRequest(link.met.channel, p, link.aid)],
      [end.parcel, (p: Uint8Array) => takeGrant(link.asked.channel, p, link.aid)],
    ] as const;
    for (const [parcel, take] of takes) {
      for (let at = 0; at < parcel.length; at += 7) {
        expect(() => take(flip(parcel, at))).toThrow(CryptoError);
        expect(() => take(parcel.slice(0, at))).toThrow(CryptoError);
      }
      expect(() => take(flip(parcel, parcel.length - 1))).toThrow(CryptoError);
      expect(() => take(Uint8Array.of(...parcel, 0))).toThrow(CryptoError);
    }
    expectCode('limit', () => takeRequest(link.met.channel, new Uint8Array(4097), link.aid));
  });

  it('shows a log that is not the granted one, and is refused', () => {
    const other = granted({
      ...link,
      heard: { ...link.heard, request: { ...link.heard.request, cert: makeDevice(link.account).cert } },
    });
    const { grant } = end;
    const { cert } = link.device;
    expectCode('truncated', () => checkGrantedLog(link.account.log, grant, cert));
    expectCode('fork', () => checkGrantedLog(other.log, grant, cert));
    expectCode('unknown_device', () => checkGrantedLog(other.log, other.grant, cert));
    expectCode('mismatch', () => checkGrantedLog(makeAccount('someone else').log, grant, cert));
    const old = link.account.devices[0]!.secrets;
    const signer = { kind: 'device', deviceId: old.deviceId, secretKey: old.signing.secretKey } as const;
    const gone = createRevokeDevice(end.log, { deviceId: cert.deviceId, reason: 'removed' }, signer);
    expectCode('revoked', () => checkGrantedLog(extendAccountLog(end.log, [gone]), grant, cert));
  });
});

describe('the wrong people', () => {
  it('whoever reads another screen’s code sees other pictures than on their own', () => {
    const mine = exchange('mine');
    const theirs = exchange('theirs');
    expect(linkEcho(mine.heard.channel)).not.toEqual(linkEcho(theirs.heard.channel));
  });

  it('a code read twice gives two exchanges with different keys and claims', () => {
    const link = exchange('twice');
    const again = meetLink(link.code, link.aid, link.rng);
    expect(again.channel.claim).not.toEqual(link.met.channel.claim);
    expect(again.channel.fromOld).not.toEqual(link.met.channel.fromOld);
  });

  it('never seals two grants of one exchange under one nonce', () => {
    const link = exchange('again');
    const { grant } = granted(link);
    const [one, two] = [0, 1].map(() => grantLink(link.heard.channel, grant, link.rng).slice(0, 24));
    expect(one).not.toEqual(two);
  });

  it('a certificate of another account, or of a device that is not a full one, is refused', () => {
    const link = exchange('strict');
    const stranger = makeAccount('stranger');
    for (const [cert, code] of [
      [makeDevice(stranger).cert, 'mismatch'],
      [makeDevice(link.account, 'bot').cert, 'not_allowed'],
    ] as const) {
      const { parcel } = askLink(link.taken.channel, { cert, label: 'x' }, link.rng);
      expectCode(code, () => takeRequest(link.met.channel, parcel, link.aid));
    }
  });

  it('an old device cannot grant another account than it named', () => {
    const link = exchange('bait');
    const { grant } = granted(link);
    const other = makeAccount('switch').log;
    const parcel = grantLink(
      link.heard.channel,
      {
        ...grant,
        accountId: other.accountId,
        rootPub: other.rootPub,
      },
      link.rng,
    );
    expectCode('mismatch', () => takeGrant(link.asked.channel, parcel, link.aid));
  });
});

describe('frozen vectors', () => {
  it('linking: code, parcels, pictures, claim', () => {
    const link = exchange('frozen/linking');
    const end = granted(link);
    const fresh = {
      ephemeralSecret: toHex(link.offer.ephemeral.secretKey),
      code: link.text,
      aid: toHex(link.aid),
      meet: toHex(link.met.parcel),
      fromOld: toHex(link.heard.channel.fromOld),
      fromNew: toHex(link.heard.channel.fromNew),
      cert: toHex(link.device.cert.encoded),
      request: toHex(link.asked.parcel),
      echo: linkEcho(link.heard.channel).join(),
      grant: toHex(end.parcel),
      backupKey: toHex(end.grant.backupKey),
      claim: toHex(link.heard.channel.claim),
      claimHash: toHex(linkClaimHash(link.heard.channel.claim)),
    };
    const frozen = frozenVectors('linking.json', fresh);
    expect(fresh).toEqual(frozen);
    const opened = takeGrant(link.asked.channel, fromHex(frozen.grant), fromHex(frozen.aid));
    expect(toHex(opened.backupKey)).toBe(frozen.backupKey);
  });
});
