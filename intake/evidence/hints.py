"""What a text may hold, told by one look at it.

Every search below has signs without which it can't find anything. Looking for the signs of all of
them at once takes about as long as looking for one, and most mail has none.

Hints never decide: they may say too much, and must never say too little. RE2 makes its automaton
while it searches, and one that outgrows its memory finds nothing, silently: so each set holds a
pattern that is always found, and where it was not, everything is hinted at.
"""

from collections.abc import Mapping

import re2

from intake.evidence.serials import HINTS as SERIAL_WORDS

MEMORY = 16 << 20  # bytes that the automaton of one set may take

BLOCK = "block"  # armour, or base64 that may be a block without it
WRITTEN_KEY = "written key"
JSON = "json"  # of a web key or a signature
LINK = "link"
CERTIFICATE_ID = "certificate id"  # of crt.sh, written out or in a table
PIN = "pin"
SERIAL = "serial"
HEX = "hex"

_SEPARATOR = r"[:\- \t\x{a0}]"
_PAIRS = rf"[0-9a-f]{{2}}(?:{_SEPARATOR}[0-9a-f]{{2}}){{3}}"
_GROUPS = rf"[0-9a-f]{{4}}(?:{_SEPARATOR}[0-9a-f]{{4}}){{2}}"
_LONG_GROUPS = rf"[0-9a-f]{{8}}{_SEPARATOR}[0-9a-f]{{8}}"


class PatternSet:
    """Named patterns that are sought in one pass, in time proportional to the text."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        """Compile the patterns, in the syntax of RE2; case does not matter."""
        options = re2.Options()
        options.case_sensitive = False
        options.max_mem = MEMORY
        options.log_errors = False
        self._names = tuple(patterns)
        self._set = re2.Set.SearchSet(options)
        for pattern in patterns.values():
            self._set.Add(pattern)
        self._always = self._set.Add("")
        self._set.Compile()

    def found_in(self, text: str) -> frozenset[str] | None:
        """Return the names of the patterns that a text holds; None if the search failed."""
        found = self._set.Match(text.encode("utf-8", "replace")) or ()
        if self._always not in found:
            return None
        return frozenset(self._names[one] for one in found if one != self._always)


_HINTS = {
    BLOCK: "begin|[a-z0-9+/]{24}",
    WRITTEN_KEY: '"kty"|privateexponent|priv:|prime1|private-lines|</d>',
    JSON: '"(?:payload|kty)"',
    LINK: r"://|%3a%2f%2fcrt\.sh|crt\.sh|\[\.\]|\(\.\)|\{\.\}|\[dot\]|\[:\]|\[://\]",
    CERTIFICATE_ID: "crt",
    PIN: "sha256",
    SERIAL: "|".join(SERIAL_WORDS),
    HEX: f"[0-9a-f]{{16}}|{_PAIRS}|{_GROUPS}|{_LONG_GROUPS}",
}
EVERYTHING = frozenset(_HINTS)
_SET = PatternSet(_HINTS)


def look(text: str) -> frozenset[str]:
    """Return what a text may hold."""
    found = _SET.found_in(text)
    return EVERYTHING if found is None else found
