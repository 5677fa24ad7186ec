"""Private keys: recognised in whatever form, and never shown.

Which public key belongs to one is derived in `private_keys.py`.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from intake.evidence.armour import Block
from intake.evidence.der import PRIVATE_KEYS, recognise
from intake.evidence.key_statements import json_objects
from intake.evidence.private_keys import OPENSSH, HeldKey

LEFT_OUT = "[private key left out]"
_JWK = re.compile(r'"(?:d|p|q|dp|dq|qi)"\s*:\s*"[A-Za-z0-9_=+/-]{16,}+"')
_OPENSSL_TEXT = re.compile(
    r"\b(?:privateExponent|prime\d|exponent\d|coefficient\d?|priv):"
    r"(?>(?:[\s>|]*+[0-9A-Fa-f]{2}(?![0-9A-Za-z])[:\s>|]*+){8,})"
)
_PPK = re.compile(
    r"Private-Lines: ?\d{1,4}[ \t]*\r?\n((?:[ \t>|]*[A-Za-z0-9+/=]{1,80}[ \t]*\r?\n?){1,400})"
)
_XML_KEY = re.compile(r"<(D|P|Q|DP|DQ|InverseQ)>\s*[A-Za-z0-9+/=\s]{16,}</\1>")


@dataclass(frozen=True)
class KeyPlace:
    """A private key in a text: where it stands, and the key."""

    start: int
    end: int
    key: HeldKey


def key_in_block(block: Block) -> HeldKey:
    """Return the private key in a secret block."""
    key = read_key(block.data, password=block.password)
    kind = _kind_by_label(block.label) if key.kind == "unknown" else key.kind
    encrypted = key.encrypted or block.password or "ENCRYPTED" in block.label
    return HeldKey(kind, encrypted, key.material)


@lru_cache(maxsize=64)
def _kind_by_label(label: str) -> str:
    for word, kind in (
        ("RSA", "pkcs1"),
        ("EC", "sec1"),
        ("DSA", "dsa"),
        ("OPENSSH", "openssh"),
        ("PGP", "pgp"),
    ):
        if word in label.split():
            return kind
    return "pkcs8" if label in {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY"} else "unknown"


def read_key(data: bytes, *, password: bool = False) -> HeldKey:
    """Return which kind of private key stands in these bytes, and whether it is encrypted."""
    if data.startswith(OPENSSH):
        encrypted = data[len(OPENSSH) :].partition(b"none")[0] != b"\0\0\0\x04"
        return HeldKey("openssh", encrypted, data)
    found = recognise(data)
    if password or found is None or found[0] not in PRIVATE_KEYS:
        return HeldKey("unknown", password)
    if found[0] == "encrypted_pkcs8":
        return HeldKey("pkcs8", True, data[: found[1]])
    return HeldKey(found[0], False, data[: found[1]])


def find_written_keys(text: str) -> list[KeyPlace]:
    """Return private keys that stand in a text otherwise than as a block of base64."""
    found: list[KeyPlace] = []
    if '"kty"' in text:
        found += _web_keys(text)
        spans = [(one.start, one.end) for one in found]
        # What is broken or cut off is no JSON, and a key all the same.
        found += _places(_JWK, blank(text, spans), "jwk")
    if "privateExponent" in text or "priv:" in text or "prime1" in text:
        found += _places(_OPENSSL_TEXT, text, "openssl_text")
    if "Private-Lines" in text:
        found += _places(_PPK, text, "ppk")
    if "</D>" in text:
        found += _places(_XML_KEY, text, "xml")
    return found


def _web_keys(text: str) -> list[KeyPlace]:
    found = []
    for start, end, jwk in json_objects(text, "kty"):
        if isinstance(jwk.get("d"), str):
            material = json.dumps(jwk, sort_keys=True).encode()
            found.append(KeyPlace(start, end, HeldKey("jwk", False, material)))
    return found


def _places(pattern: re.Pattern[str], text: str, kind: str) -> list[KeyPlace]:
    key = HeldKey(kind, False)
    return [KeyPlace(match.start(), match.end(), key) for match in pattern.finditer(text)]


def blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with spans made of blanks, so that all other positions stay the same."""
    if not spans:
        return text
    pieces: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end > at:
            start = max(start, at)  # noqa: PLW2901 - overlapping spans
            pieces += [text[at:start], " " * (end - start)]
            at = end
    return "".join([*pieces, text[at:]])


def leave_out(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with a short note in place of each span."""
    pieces: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end > at:
            pieces += [text[at : max(start, at)], LEFT_OUT]
            at = end
    return "".join([*pieces, text[at:]])
