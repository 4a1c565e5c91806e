"""A second implementation of "Handshake" and "Pairwise packets" of docs/protocol.md, sharing no code with ours.

Opens the frozen vectors pqxdh.json and double-ratchet.json from the responder's secrets alone and prints
"ok <messages opened>"; any difference raises.
"""
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

OWN = pathlib.Path(__file__).parent.parent / "vectors" / "own"
unhex = bytes.fromhex


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def expand(prk, info, length):
    out, block = b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out[:length]


def hkdf(salt, ikm, info, length):
    return expand(hmac.digest(salt, ikm, "sha256"), info, length)


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(secret, pub):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(pub))


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n % 128 | 128])
        n //= 128
    return out + bytes([n])


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        part = self.data[self.at : self.at + n]
        assert len(part) == n
        self.at += n
        return part

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def key(self):
        assert self.take(1) == b"\x02"
        return self.take(32)


def party(p, head):
    return unhex(p["aid"]) + unhex(p["deviceId"]) + b"\x01" + unhex(p["signingPub"]) + b"\x02" + unhex(p["dhPub"]) + head


def respond(v, packet):
    """-> (TH, sid, RK0, the ratchet message)"""
    a, b = v["initiator"], v["responder"]
    r = Reader(packet)
    assert r.take(2) == b"\x10\x01"
    mask = r.take(1)[0]
    sid = r.take(8)
    assert r.take(32) == unhex(a["aid"]) and r.take(16) == unhex(a["deviceId"])
    heads = []
    for p in (a, b):
        assert r.varint() == p["headSeq"]
        assert r.take(32) == unhex(p["headHash"])
        heads.append(varint(p["headSeq"]) + unhex(p["headHash"]))
    ek = r.key()
    set_id = r.varint()
    otk_id = r.varint() if mask else None
    ct = r.take(1088)
    spk, otk = unhex(v["spkSecret"]), v["oneTimeSecret"] and unhex(v["oneTimeSecret"])
    assert (otk is not None) == (mask == 1)
    kem = MLKEM768PrivateKey.from_seed_bytes(unhex(v["kemSeed"]))
    fields = b"\x01" + bytes([mask]) + party(a, heads[0]) + party(b, heads[1])
    fields += varint(set_id) + b"\x02" + public(spk)
    if otk:
        fields += varint(otk_id) + b"\x02" + public(otk)
    fields += sha(kem.public_key().public_bytes_raw()) + sha(ct) + b"\x02" + ek
    th = sha(b"cl1/pqxdh", fields)
    ikm = b"\xff" * 32 + dh(spk, unhex(a["dhPub"])) + dh(unhex(b["dhSecret"]), ek) + dh(spk, ek)
    if otk:
        ikm += dh(otk, ek)
    ikm += kem.decapsulate(ct)
    assert sid == sha(b"cl1/sid", th)[:8]
    return th, sid, hkdf(bytes(32), ikm, b"cl1/pqxdh/okm" + th, 32), packet[r.at :]


def header(message, sid):
    r = Reader(message)
    assert r.take(2) == b"\x11\x00" and r.take(8) == sid
    pub, pn, n, nonce = r.key(), r.varint(), r.varint(), r.take(12)
    return pub, pn, n, nonce, message[: r.at], message[r.at :]


def root_step(rk, shared):
    okm = hkdf(rk, shared, b"cl1/dr/root", 64)
    return okm[:32], okm[32:]


def message_key(ck, n):
    for _ in range(n):
        ck = expand(ck, b"cl1/dr/chain", 64)[:32]
    return expand(ck, b"cl1/dr/chain", 64)[32:]


def open_message(ck, th, sid, message):
    _, _, n, nonce, head, sealed = header(message, sid)
    return ChaCha20Poly1305(message_key(ck, n)).decrypt(nonce, sealed, b"cl1/dr" + th + head)


def check_payload(plaintext, sender, recipient, text):
    expected = b""
    for p in (sender, recipient):
        expected += varint(p["headSeq"]) + unhex(p["headHash"])[:16]
    assert plaintext == expected + text.encode()


def check_handshake(v):
    th, sid, rk, message = respond(v, unhex(v["packet"]))
    assert th == unhex(v["th"]) and sid == unhex(v["sid"])
    rk, ck = root_step(rk, dh(unhex(v["spkSecret"]), header(message, sid)[0]))
    assert rk == unhex(v["rootKey"])
    check_payload(open_message(ck, th, sid, message), v["initiator"], v["responder"], v["text"])


def check_ratchet(v):
    th, sid, rk, _ = respond(v, unhex(v["messages"][0]["packet"]))
    other = public(unhex(v["spkSecret"]))
    chains, last = {}, None
    for m in v["messages"]:
        packet = unhex(m["packet"])
        message = respond(v, packet)[3] if packet[0] == 0x10 else packet
        pub = header(message, sid)[0]
        assert public(unhex(m["ratchetSecret"])) == pub
        if pub not in chains:
            rk, chains[pub] = root_step(rk, dh(unhex(m["ratchetSecret"]), last or other))
        last = pub
        ends = (v["initiator"], v["responder"])
        sender, recipient = ends if m["from"] == "ada" else ends[::-1]
        check_payload(open_message(chains[pub], th, sid, message), sender, recipient, m["text"])
    return len(v["messages"])


opened = 0
for vector in json.loads((OWN / "pqxdh.json").read_text()):
    check_handshake(vector)
    opened += 1
opened += check_ratchet(json.loads((OWN / "double-ratchet.json").read_text()))
print("ok", opened)
