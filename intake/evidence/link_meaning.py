"""What a link to crt.sh, Censys or pwnedkeys names.

The grammar is that of crt.sh's own parameters (certwatch_db, web_apis); their names know no case
and their order means nothing.
"""

import base64
import re
from urllib.parse import unquote

from intake.evidence.shapes import SHA1_DIGITS, SHA256_DIGITS
from intake.evidence.urls import query_pairs, split_link

LONGEST_ID = 19  # digits of a crt.sh id (a bigint)
SHORTEST_SERIAL = 14  # hex digits: 7 bytes were seen in reports

Named = tuple[str, str]
"""Kind and value of what a link names; kinds as in `Identifier`, and "hex" and "domain"."""

_HEX = re.compile(r"[0-9A-Fa-f]+\Z")
_PIN = re.compile(r"sha256/([A-Za-z0-9+/ _-]{43})=?\Z")
_DOMAIN = re.compile(r"(?:[*%]\.)?((?:[\w-]+\.)+[\w-]{2,})\Z")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+\Z")  # one number, as people write it
_IDS = frozenset({"d", "c", "id", "asn1", "graph", "nodes", "h", "pv"})
_NAMES = frozenset({"identity", "commonname", "cn", "dnsname", "domain"})
_CENSYS = re.compile(r"(?<![0-9A-Za-z])((?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})(?![0-9A-Za-z])")
_COMMON = re.compile(
    r"https?://crt\.sh/\?(?:(?:id|d|q)=(\d{1,13})|(?:sha256|q|d)=([0-9a-f]{64}))(?:&opt=[a-z0-9,]*)?\Z"
)  # nearly all links of long lists
_HASH = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])")
_BARE = re.compile(r"/([0-9]{1,19}|[0-9A-Fa-f]{64})/?\Z")
MOST_IN_LINK = 200


def read_link(url: str) -> list[Named]:
    """Return what a link names: certificates, keys, and for a name search the name.

    Values go by the link's parameter. All parameters of a crt.sh link are read, though crt.sh
    itself answers the first only: a report must not lose the second.
    """
    common = _COMMON.match(url)
    if common:
        return [("sha256", common[2])] if common[2] else _by_length(common[1])
    host, path, query = split_link(url)
    if host in {"crt.sh", "www.crt.sh"}:
        return _read_crtsh(path, query)
    if host == "censys.io" or host.endswith(".censys.io"):
        values = [
            one.replace(":", "").lower() for one in _CENSYS.findall(unquote(path + "?" + query))
        ]
        return [("sha256", one) for one in dict.fromkeys(values)][:MOST_IN_LINK]
    if host == "pwnedkeys.com" or host.endswith(".pwnedkeys.com"):
        values = [one.lower() for one in _HASH.findall(path + "?" + query)]
        return [("spki_sha256", one) for one in dict.fromkeys(values)][:MOST_IN_LINK]
    return []


def _read_crtsh(path: str, query: str) -> list[Named]:
    found: list[Named] = []
    for name, text in query_pairs(query):
        is_pin = text.startswith("sha256/")  # its `+` were read as blanks
        text = text.replace(",", "") if _THOUSANDS.match(text) else text  # noqa: PLW2901
        for value in [text] if is_pin else re.split(r"[,;\s]+", text):
            found += _read_parameter(name, _without_soft_break(value))
    bare = _BARE.match(unquote(path))
    if bare:
        found += _by_length(bare[1])
    return list(dict.fromkeys(found))[:MOST_IN_LINK]


def _without_soft_break(value: str) -> str:
    """Take off the `3D` that an undecoded `=3D` leaves before a value."""
    value = value.removeprefix("=")
    return value[2:] if value[:2].upper() == "3D" and len(value) != SHA256_DIGITS else value


def _read_parameter(name: str, value: str) -> list[Named]:
    if not value:
        return _by_length(name) if name.isdigit() or len(name) == SHA256_DIGITS else []
    plain = value.replace(":", "")
    if name == "q":
        return _read_q(value, plain)
    if name in _IDS:
        return _by_length(plain)
    if name in _NAMES:
        return _domain(value)
    return _read_hex_parameter(name, value, plain)


def _read_hex_parameter(name: str, value: str, plain: str) -> list[Named]:
    if name in {"sha1", "sha256"}:
        return _fixed_length(name, plain, SHA1_DIGITS if name == "sha1" else SHA256_DIGITS)
    if name == "serial":
        return _serial(plain) or _unknown(plain)
    if name in {"spkisha256", "cnlspkisha256"}:
        return _pin(value) or _fixed_length("spki_sha256", plain, SHA256_DIGITS)
    return _unknown(plain) if name in {"ski", "spkisha1", "subjectsha1"} else []


def _read_q(value: str, plain: str) -> list[Named]:
    """Read the parameter that crt.sh tries as id, SHA-1, SHA-256, key hash and name.

    It never tries a serial number, so one given here finds nothing there; people do give it.
    """
    if plain.isascii() and plain.isdigit() and len(plain) <= LONGEST_ID:
        also = _serial(plain) if len(plain) >= SHORTEST_SERIAL else []
        return [*_by_length(plain), *also]
    if _HEX.match(plain):
        known = _fixed_length("sha1", plain, SHA1_DIGITS, strict=True) or _fixed_length(
            "sha256", plain, SHA256_DIGITS, strict=True
        )
        if known:
            return known
        return (_serial(plain) or _unknown(plain)) if len(plain) >= SHORTEST_SERIAL else []
    return _pin(value) or _domain(value)


def _by_length(plain: str) -> list[Named]:
    plain = plain.replace(":", "")
    if plain.isascii() and plain.isdigit() and len(plain) <= LONGEST_ID:
        return [("crtsh_id", str(int(plain)))] if int(plain) else []
    if not _HEX.match(plain):
        return []
    if len(plain) in (SHA1_DIGITS, SHA1_DIGITS - 1):
        return [("sha1", plain.lower().rjust(SHA1_DIGITS, "0"))]
    return _fixed_length("sha256", plain, SHA256_DIGITS)


def _fixed_length(kind: str, plain: str, digits: int, *, strict: bool = False) -> list[Named]:
    plain = plain.replace(":", "")
    if not _HEX.match(plain):
        return []
    if len(plain) == digits or (len(plain) == digits - 1 and not strict):
        return [(kind, plain.lower().rjust(digits, "0"))]
    return [] if strict else _unknown(plain)


def _serial(plain: str) -> list[Named]:
    plain = plain.lower().removeprefix("0x")
    if not _HEX.match(plain) or len(plain) > 2 * 21:  # 20 octets, and one for the sign
        return []
    return [("serial_number", plain.lstrip("0") or "0")]


def _unknown(plain: str) -> list[Named]:
    return [("hex", plain.lower())] if len(plain) >= 16 and _HEX.match(plain) else []  # noqa: PLR2004


def _pin(value: str) -> list[Named]:
    match = _PIN.match(value)
    return [("spki_sha256", pin_digest(match[1]))] if match else []


def pin_digest(pin: str) -> str:
    """Return the hex of a SHA-256 written as 43 characters of base64."""
    plain = pin.replace(" ", "+").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=").hex()


def _domain(value: str) -> list[Named]:
    match = _DOMAIN.match(value)
    return [("domain", match[1].lower())] if match else []
