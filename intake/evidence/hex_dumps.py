r"""DER that is written out in hex: certificates, requests, and keys, which must never be shown.

With colons, blanks or commas between the octets or none, over lines and quoted, and as C programs
have it (`0x30, 0x82`, `\x30\x82`).
"""

import re

from intake.evidence.armour import Block, block_of
from intake.evidence.der import begins_like_a_key, recognise

LARGEST = 64 * 1024  # octets of one object
LONGEST_OCTET = 10  # characters, with what stands between two
WORK_PER_CHARACTER = 4  # bounds the looking
_APART = r"[: \t,;>|\r\n-]{0,8}(?:0x|\\x)?"
# How it begins: a length in two octets and more, or a small key with its version.
START = rf"30{_APART}(?:8[123]|[2-7][0-9a-f]{_APART}02{_APART}01)"
_START = re.compile(rf"(?<![0-9A-Za-z])(?:0x|\\x)?(?={START})", re.IGNORECASE)
# A version and a short text, as packets of SNMP have them; the number of a key is longer.
_OTHER = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01.\x04[\x00-\x17]", re.DOTALL)
_RUN = re.compile(r"[0-9A-Fa-fxX: \t,;>|\r\n\\-]*")
_DIGIT = re.compile(r"(?:0[xX]|\\[xX])?([0-9A-Fa-f])")


def find_hex_blocks(text: str) -> list[Block]:
    """Return the objects that a text writes out in hex, in order."""
    found: list[Block] = []
    budget = WORK_PER_CHARACTER * len(text) + LARGEST
    done = 0
    for start in _START.finditer(text):
        if start.start() < done or budget <= 0:
            continue
        needed = _announced(text, start.start())
        block = _block(text, start.start(), needed) if needed else None
        budget -= 2 * needed
        if block is not None:
            found.append(block)
            done = block.end
    return found


def _announced(text: str, start: int) -> int:
    """Return how many octets the object says that it has, itself included; 0 if that is too many."""
    head, _ = _collect(text, start, 5)
    if len(head) < 5:  # noqa: PLR2004 - tag and length
        return 0
    if head[1] < 0x80:  # noqa: PLR2004 - the short form
        return 2 + head[1]
    count = head[1] & 0x7F
    needed = 2 + count + int.from_bytes(head[2 : 2 + count], "big")
    return needed if count <= 3 and needed <= LARGEST else 0  # noqa: PLR2004 - as in START


def _block(text: str, start: int, needed: int) -> Block | None:
    data, end = _collect(text, start, needed)
    if len(data) == needed and recognise(data):
        return block_of(start, end, "", data)
    cut_off = len(data) < needed and begins_like_a_key(data) and not _OTHER.match(data)
    return block_of(start, end, "", data, complete=False) if cut_off else None


def _collect(text: str, start: int, needed: int) -> tuple[bytes, int]:
    """Return as many octets as are needed, or are there, and where they end."""
    run = _RUN.match(text, start, start + needed * LONGEST_OCTET)
    limit = run.end() if run else start
    digits: list[str] = []
    end = start
    for match in _DIGIT.finditer(text, start, limit):
        digits.append(match[1])
        end = match.end()
        if len(digits) == 2 * needed:
            break
    return bytes.fromhex("".join(digits[: len(digits) // 2 * 2])), end
