#!/usr/bin/env python3
"""Independent reading of docs/protocol.md (Identity, Prekeys, Vault, Backup) on the `cryptography` package.

Shares no code with src/crypto. Reads the frozen vectors, decodes and re-checks every byte of them from the page's
tables alone, and prints one line "ok <count>"; any disagreement is an exception. Run by test/crypto/identity/oracle.test.ts.
"""
import hashlib
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "own"
KEY_BYTES = {1: 32, 2: 32, 3: 1184}
checks = 0


def check(condition, what):
    global checks
    if not condition:
        raise AssertionError(what)
    checks += 1


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def raw(public_key):
    return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def signed(public, label, encoded):
    """SIGN over every field before the last 64 bytes."""
    fields, signature = encoded[:-64], encoded[-64:]
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"cl1/sig/" + label + b"\0" + fields)
    check(True, label)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def fixed(self, length):
        out = self.data[self.at : self.at + length]
        check(len(out) == length, "ended early")
        self.at += length
        return out

    def u8(self):
        return self.fixed(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            if byte < 128:
                check(byte != 0 or shift == 0, "minimal varint")
                return value
            shift += 7

    def bytes(self):
        return self.fixed(self.varint())

    def key(self, tag):
        check(self.u8() == tag, "key tag")
        return self.fixed(KEY_BYTES[tag])

    def end(self):
        check(self.at == len(self.data), "trailing bytes")


def read_cert(encoded, aid):
    r = Reader(encoded)
    check(r.u8() == 1, "cert version")
    check(r.fixed(32) == aid, "cert aid")
    cert = {"id": r.fixed(16), "dsk": r.key(1), "ddk": r.key(2)}
    check([r.u8() for _ in range(r.varint())] == [1], "suites")
    cert["flags"], cert["created"] = r.u8(), r.varint()
    r.fixed(64)
    r.end()
    signed(cert["dsk"], b"device-cert", encoded)
    return cert


def check_identity(v):
    root, account = v["rootPub"], v["accountId"]
    check(raw(Ed25519PrivateKey.from_private_bytes(v["rootSecret"]).public_key()) == root, "root key")
    check(sha(b"cl1/acct", account, root) == v["aid"], "AID")
    fingerprint = sha(b"cl1/root", root)[:16]
    check(fingerprint == v["rootFingerprint"], "fingerprint")
    previous, devices = bytes(32), {}
    for seq, name in enumerate(["genesis", "addFirst", "addBot", "revokeBot"]):
        r = Reader(v[name])
        check(r.u8() == 1 and r.fixed(16) == account and r.varint() == seq, name)
        check(r.fixed(32) == previous, "prevHash")
        op, body, kind, signer = r.u8(), Reader(r.bytes()), r.u8(), r.fixed(16)
        r.fixed(64)
        r.end()
        check(op == [0, 1, 1, 2][seq], "op")
        check(signer == fingerprint if kind == 0 else signer in devices, "signer")
        signed(root if kind == 0 else devices[signer]["dsk"], b"acct-log", v[name])
        if op == 0:
            check(body.key(1) == root and body.varint() > 0, "genesis body")
            body.fixed(16)
            body.end()
        elif op == 1:
            cert = read_cert(body.data, v["aid"])
            devices[cert["id"]] = cert
        else:
            check(body.fixed(16) in devices and body.u8() == 1, "revocation: lost")
            body.end()
        previous = sha(v[name])
    check(previous == v["headHash"], "head")
    first = read_cert(v["firstCert"], v["aid"])
    check(first["flags"] == 1 and read_cert(v["botCert"], v["aid"])["flags"] == 2, "flags")
    signed(first["dsk"], b"attach", b"\x01" + v["sessionId"] + v["challenge"] + v["attach"])
    return first


def check_prekeys(v, device):
    r = Reader(v["set"])
    check(r.u8() == 1 and r.u8() == 1 and r.fixed(16) == device["id"] and r.varint() == 1, "set header")
    check(r.key(2) == raw(X25519PrivateKey.from_private_bytes(v["spkSecret"]).public_key()), "SPK")
    check(r.key(3) == raw(MLKEM768PrivateKey.from_seed_bytes(v["lastResortSeed"]).public_key()), "last resort")
    created, not_after = r.varint(), r.varint()
    check(not_after - created == 120 * 86400 * 1000, "lifetime")
    r.fixed(64)
    r.end()
    signed(device["dsk"], b"prekey-set", v["set"])
    check(sha(v["set"]) == v["setHash"], "set hash")
    for index in (0, 1):
        encoded = v[f"unit{index}"]
        r = Reader(encoded)
        check(r.u8() == 1 and r.u8() == 1 and r.fixed(16) == device["id"], "unit header")
        check(r.varint() == 1 and r.varint() == index, "unit ids")
        dh, kem = r.key(2), r.key(3)
        r.fixed(64)
        r.end()
        signed(device["dsk"], b"otk", encoded)
    check(dh == raw(X25519PrivateKey.from_private_bytes(v["unit1DhSecret"]).public_key()), "unit X25519")
    check(kem == raw(MLKEM768PrivateKey.from_seed_bytes(v["unit1KemSeed"]).public_key()), "unit KEM")


def hchacha20(key, nonce16):
    """The subkey step of XChaCha20 (draft-irtf-cfrg-xchacha section 2.2)."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce16))

    def quarter(a, b, c, d):
        for first, second, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[first] = (state[first] + state[second]) & 0xFFFFFFFF
            mixed = state[third] ^ state[first]
            state[third] = ((mixed << turn) | (mixed >> (32 - turn))) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for start in range(4):
            quarter(start, 4 + (start + 1) % 4, 8 + (start + 2) % 4, 12 + (start + 3) % 4)
    return struct.pack("<8I", *(state[0:4] + state[12:16]))


def xopen(key, nonce, sealed, aad):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(bytes(4) + nonce[16:], sealed, aad)


def hkdf(salt, secret, info):
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def check_recovery_code(code):
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    total, power = 0, [1]
    for _ in range(25):
        power.append(power[-1] << 1 if power[-1] < 16 else (power[-1] << 1) ^ 0b100101)
    for i, char in enumerate(code[:25], start=1):
        a, b = alphabet.index(char), power[26 - i]
        for bit in range(5):
            if b >> bit & 1:
                product = a << bit
                for high in range(9, 4, -1):
                    if product >> high & 1:
                        product ^= 0b100101 << (high - 5)
                total ^= product
    check(alphabet[total] == code[25], "recovery check character")
    return code[:25].encode()


def check_vault(v, identity):
    argon = Argon2id(salt=v["salt"], length=64, iterations=3, lanes=1, memory_cost=65536)
    stretched = argon.derive(b"correct horse battery staple")
    check(stretched == v["loginSecret"] + v["slotKey"], "password split")
    secret = check_recovery_code(v["code"])
    check(hkdf(identity["aid"], secret, b"cl1/vault/code") == v["codeSlotKey"], "code slot key")
    check(hkdf(bytes(32), secret, b"cl1/recovery-auth") == v["recoveryAuth"], "recovery auth")
    r = Reader(v["vault"])
    check(r.u8() == 1 and r.fixed(32) == identity["aid"], "vault header")
    check(r.varint() == 1 and r.varint() == 1 and r.varint() == 2, "versions and slot count")
    vault_keys = set()
    for slot_key, kind in ((v["codeSlotKey"], 0), (v["slotKey"], 1)):
        start = r.at
        check(r.u8() == kind and r.u8() == kind, "slot")
        params = r.bytes()
        expected = b"" if kind == 0 else b"\x01\x80\x80\x04\x03\x01" + v["salt"]
        check(params == expected, "slot parameters")
        described = v["vault"][start : r.at]
        nonce, wrapped = r.fixed(24), r.fixed(48)
        vault_keys.add(xopen(slot_key, nonce, wrapped, b"cl1/vault/slot" + identity["aid"] + described + b"\x01"))
    check(len(vault_keys) == 1, "one vault key")
    head = v["vault"][: r.at]
    nonce, sealed = r.fixed(24), r.bytes()
    r.end()
    payload = Reader(xopen(vault_keys.pop(), nonce, sealed, b"cl1/vault/payload" + sha(head)))
    check(payload.u8() == 1 and payload.fixed(16) == identity["accountId"], "payload")
    check(payload.fixed(32) == identity["rootSecret"] and payload.fixed(32) == v["backupKey"], "secrets")
    check(payload.varint() == 1, "backup version")
    payload.end()


def expand(key, info, length=32):
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(key)


def check_backup(v):
    leaves, payloads = [], []
    for index, kind in enumerate((1, 2, 3)):
        encoded = v[f"entry{index}"]
        r = Reader(encoded)
        check(r.u8() == 1 and r.u8() == kind, "entry header")
        name, nonce, sealed = r.bytes(), r.fixed(24), r.bytes()
        r.end()
        key = expand(v["backupKey"], b"cl1/backup/" + bytes([kind]) + name)
        aad = b"cl1/backup/entry" + v["aid"] + b"\x03" + bytes([kind, len(name)]) + name
        payloads.append(xopen(key, nonce, sealed, aad))
        leaves.append(sha(b"cl1/backup/leaf" + encoded))
        if kind != 2:
            of = v["certHash"] if kind == 1 else v["aid"]
            check(name == expand(v["backupKey"], b"cl1/backup-id/" + bytes([kind]) + of, 16), "entry id")
    check(payloads == [v["chain"], v["dmKeys"], v["peer"]] and leaves[0] == v["leaf0"], "payloads")
    binding = sha(b"cl1/backup/dm" + v["aid"] + v["deviceId"] + v["bodyHash"] + v["commit"])
    check(v["dmKeys"][0] == 1 and v["dmKeys"][49:] == binding, "binding")
    node = lambda left, right: sha(b"cl1/backup/node" + left + right)
    root = node(node(leaves[0], leaves[1]), leaves[2])
    check(root == v["root"], "root")
    r = Reader(v["manifest"])
    check(r.u8() == 1 and r.fixed(32) == v["aid"] and r.varint() == 3 and r.varint() == 3, "manifest header")
    check(r.fixed(32) == root and r.varint() > 0 and r.fixed(16) == v["deviceId"], "manifest")
    r.fixed(64)
    r.end()
    public = v["devicePublic"]
    signed(public, b"backup", v["manifest"])
    check(v["headHash"] == sha(b"cl1/backup/head" + v["aid"] + b"\x03\x03" + root), "head hash")
    r = Reader(v["logEntry"])
    check(r.u8() == 1 and len(r.fixed(16)) == 16 and r.varint() == 2 and len(r.fixed(32)) == 32, "log entry")
    check(r.u8() == 4 and r.bytes() == b"\x03\x03" + v["headHash"], "op 4")
    check(r.u8() == 1 and r.fixed(16) == v["deviceId"], "log signer")
    signed(public, b"acct-log", v["logEntry"])


def check_rotation(v):
    """Op 3: signed by the root that hands over, agreed to by the root that takes over."""
    genesis = Reader(v["genesis"])
    check(genesis.u8() == 1, "genesis")
    account = genesis.fixed(16)
    root = raw(Ed25519PrivateKey.from_private_bytes(v["rootSecret"]).public_key())
    check(raw(Ed25519PrivateKey.from_private_bytes(v["newRootSecret"]).public_key()) == v["newRootPub"], "new root")
    check(sha(b"cl1/acct", account, root) == v["aid"], "AID stays that of the first root")
    r = Reader(v["rotate"])
    check(r.u8() == 1 and r.fixed(16) == account and r.varint() == 2, "rotation header")
    previous = r.fixed(32)
    check(previous == sha(v["addFirst"]) and r.u8() == 3, "op 3")
    body = Reader(r.bytes())
    check(r.u8() == 0 and r.fixed(16) == sha(b"cl1/root", root)[:16], "signed by the old root")
    signed(root, b"acct-log", v["rotate"])
    check(body.key(1) == v["newRootPub"], "names the new root")
    by_new = body.fixed(64)
    body.end()
    signed(v["newRootPub"], b"root-rotate", b"\x01" + v["aid"] + b"\x02" + previous + b"\x01" + v["newRootPub"] + by_new)
    signed(v["newRootPub"], b"acct-log", v["addSecond"])


def load(name):
    values = json.loads((VECTORS / name).read_text())
    return {key: value if key == "code" else bytes.fromhex(value) for key, value in values.items()}


def main():
    identity = load("identity.json")
    device = check_identity(identity)
    check_prekeys(load("prekeys.json"), device)
    check_vault(load("vault.json"), identity)
    check_backup(load("backup.json"))
    check_rotation(load("root-rotation.json"))
    print("ok", checks)


if __name__ == "__main__":
    sys.exit(main())
