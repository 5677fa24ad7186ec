"""Encoded parts of a message that can't be taken apart, found by what stands before them."""

import re
from collections.abc import Iterator
from email.message import Message

from intake.evidence.parts import Piece

MOST_CODED = 200
LONGEST_CODED = 16 * 1024 * 1024
_CODED = re.compile(
    rb"content-transfer-encoding:[ \t]*(base64|quoted-printable)[^\r\n]*\r?\n"
    rb"(?:(?:[!-9;-~]+:|[ \t])[^\r\n]*\r?\n){0,20}\r?\n",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(rb"\n--[^\s-]")


def coded_parts(piece: Piece) -> Iterator[Piece]:
    """Yield what is encoded in bytes that hold parts of a message as they were sent."""
    for number, match in enumerate(_CODED.finditer(piece.data), start=1):
        if number > MOST_CODED:
            return
        limit = match.end() + LONGEST_CODED
        end = _BOUNDARY.search(piece.data, match.end(), limit)
        coded: Message = Message()
        coded["Content-Transfer-Encoding"] = match[1].decode("ascii")
        body = piece.data[match.end() : end.start() if end else limit]
        coded.set_payload(body.decode("ascii", "surrogateescape"))
        content = coded.get_payload(decode=True)
        if isinstance(content, bytes):
            yield Piece(
                f"{piece.path}.coded.{number}", piece.depth + 1, data=content,
                media_type="application/octet-stream", shown=piece.shown,
            )  # fmt: skip
