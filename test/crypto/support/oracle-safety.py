#!/usr/bin/env python3
"""Independent reading of docs/protocol.md (Verification) with hashlib alone.

Shares no code with src/crypto. Recomputes every safety number and re-reads the comparison code of the frozen vectors;
prints "ok <count>", any disagreement is an exception. Run by test/crypto/verification/safety-number.test.ts.
"""
import base64
import hashlib
import json
import pathlib

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "own"
checks = 0


def check(condition, what):
    global checks
    if not condition:
        raise AssertionError(what)
    checks += 1


def half(root, aid):
    h = hashlib.sha512(b"cl1/safety" + (1).to_bytes(2, "big") + root + aid).digest()
    for _ in range(5200):
        h = hashlib.sha512(h + root).digest()
    return "".join("%05d" % (int.from_bytes(h[i : i + 5], "big") % 100000) for i in range(0, 30, 5))


def main():
    v = json.loads((VECTORS / "safety-number.json").read_text())
    people = []
    for person in v["people"]:
        account, root, aid = (bytes.fromhex(person[k]) for k in ("accountId", "rootPub", "aid"))
        check(hashlib.sha256(b"cl1/acct" + account + root).digest() == aid, "AID")
        check(half(root, aid) == person["half"], "half")
        people.append((root, aid, person["half"]))
    for pair in v["pairs"]:
        digits = "".join(sorted(people[i][2] for i in pair["people"]))
        check(pair["number"] == [digits[i : i + 5] for i in range(0, 60, 5)], "number")
    prefix, _, body = v["code"]["text"].partition(".")
    check(prefix == "chatalot-compare", "prefix")
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    expected = b"\x01"
    for i in (v["code"]["shower"], v["code"]["reader"]):
        root, aid, _ = people[i]
        expected += aid + hashlib.sha256(b"cl1/root" + root).digest()
    check(raw[:-16] == expected and raw[-16:].hex() == v["code"]["nonce"], "code")
    print("ok", checks)


if __name__ == "__main__":
    main()
