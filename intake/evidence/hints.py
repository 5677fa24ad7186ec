"""What a text may hold, told by one look at it.

Every search below has signs without which it can't find anything. Looking for the signs of all of
them at once takes about as long as looking for one, and most mail has none.

Hints never decide: they may say too much, and must never say too little.
"""

from intake.evidence.hex_dumps import START
from intake.evidence.pattern_set import PatternSet
from intake.evidence.serials import HINTS as SERIAL_WORDS

BLOCK = "block"  # armour, or base64 that may be a block without it
WRITTEN_KEY = "written key"
JSON = "json"  # of a web key or a signature
LINK = "link"
CERTIFICATE_ID = "certificate id"  # of crt.sh, written out or in a table
PIN = "pin"
SERIAL = "serial"
HEX = "hex"
HEX_DUMP = "hex dump"

_SEPARATOR = r"[:\- \t\x{a0}]"
_PAIRS = rf"[0-9a-f]{{2}}(?:{_SEPARATOR}[0-9a-f]{{2}}){{3}}"
_GROUPS = rf"[0-9a-f]{{4}}(?:{_SEPARATOR}[0-9a-f]{{4}}){{2}}"
_LONG_GROUPS = rf"[0-9a-f]{{8}}{_SEPARATOR}[0-9a-f]{{8}}"


_HINTS = {
    BLOCK: (
        "begin|[a-z0-9+/]{24}|m[a-p][a-z0-9_-]{22}"  # the last in the alphabet for URLs
        r"|(?-i:M(?:I[GHI]|H[cQ]|C4|EE)[A-Za-z0-9+/]{1,20}[ \t\r\n>|]{1,6}[A-Za-z0-9+/]{2})"
    ),
    WRITTEN_KEY: '"kty"|privateexponent|priv:|prime1|private-lines|</d>',
    JSON: '"(?:payload|kty)"',
    LINK: r"://|%3a%2f%2fcrt\.sh|crt\.sh|\[\.\]|\(\.\)|\{\.\}|[\[({]dot[\])}]|\[:\]|\[://\]",
    CERTIFICATE_ID: "crt",
    PIN: "sha256",
    SERIAL: "|".join(SERIAL_WORDS),
    HEX: f"[0-9a-f]{{16}}|{_PAIRS}|{_GROUPS}|{_LONG_GROUPS}",
    HEX_DUMP: START,
}
EVERYTHING = frozenset(_HINTS)
_SET = PatternSet(_HINTS)


def look(text: str) -> frozenset[str]:
    """Return what a text may hold."""
    found = _SET.found_in(text)
    return EVERYTHING if found is None else found
