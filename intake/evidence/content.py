"""Reads the content of one part, by what it is and not by what it is called."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from intake.archive.message_id import ids_in
from intake.evidence import old_office, pdf, rich_text, tnef
from intake.evidence.containers import Member, archive_kind, open_archive
from intake.evidence.der import keys_within, read_signed, recognise
from intake.evidence.entities import parse
from intake.evidence.gathering import Gathering
from intake.evidence.headers import decode_bytes
from intake.evidence.objects import add_object, add_public_key
from intake.evidence.office import is_office, is_read_otherwise, read_office
from intake.evidence.parts import Piece, clean_name
from intake.evidence.salvage import coded_parts
from intake.evidence.texts import read_text
from intake.evidence.values import NO_KNOWN_FILE

SAMPLE = 4096  # bytes that tell text from other content
_SIGNATURES = (
    "application/pgp-signature",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
)
_SILENT = ("image/", "audio/", "video/", "font/")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"ID3", b"\x00\x00\x01\x00")
_MAIL_FIELDS = re.compile(
    rb"^(?:received|from|to|subject|date|message-id|return-path|delivered-to|mime-version|dkim-signature"
    rb"|content-type):",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(rb"(?:>?From [^\r\n]*\r?\n)?[A-Za-z][A-Za-z0-9-]*:")
FEWEST_FIELDS = 3
MOST_BLOCKS = 200  # of armour in a file of another kind
LONGEST_BLOCK = 100_000
LONGEST_LAST_LINE = 60
_BEGIN, _END = b"-----BEGIN ", b"-----END "
LOCKED = "locked with a password"
# Calendars and cards, whose lines are folded as header fields are (RFC 5545 3.1).
_FOLDED = ("BEGIN:VCALENDAR", "BEGIN:VCARD")
_FOLD = re.compile(r"\r?\n[ \t]")


def read_content(piece: Piece, gathering: Gathering) -> list[Piece]:
    """Read bytes: note what they show, and return what stands within them."""
    if not piece.data:
        return []
    _note_for_statements(piece, gathering)
    if piece.media_type in _SIGNATURES:
        return []
    for reader in _READERS:
        within = reader(piece, gathering)
        if within is not None:
            return within
    _not_read(piece, gathering)
    for what, key in keys_within(piece.data):
        add_object(what, key, piece.path, gathering)
    return _read_armour_within(piece, gathering) if _BEGIN in piece.data else []


def _note_for_statements(piece: Piece, gathering: Gathering) -> None:
    """Keep small files that may be a statement about a key, or what signs one."""
    if piece.media_type in _SIGNATURES:
        found = recognise(piece.data)
        if found is not None and found[0] == "pkcs7":
            gathering.signing.add_cms(piece.data[: found[1]], piece.path)
    elif piece.attached or piece.name:
        gathering.signing.add_file(piece.data, piece.path)


# ---- messages ----------------------------------------------------------------------------------


def _read_header_fields(piece: Piece, gathering: Gathering) -> list[Piece] | None:
    if piece.media_type != "text/rfc822-headers":
        return None
    gathering.mention(ids_in(_message_ids_in(piece.data)), enclosed=True)
    return []


def _message_ids_in(data: bytes) -> str:
    text = data.decode("latin-1")
    return "\n".join(
        re.findall(
            r"^message-id:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", text, re.IGNORECASE | re.MULTILINE
        )
    )


def _read_message(piece: Piece, _: Gathering) -> list[Piece] | None:
    if piece.media_type != "message/rfc822" and not (
        _may_be_message(piece) and _is_message(piece.data)
    ):
        return None
    entity = parse(piece.data)
    return [Piece(f"{piece.path}.1", piece.depth + 1, entity, is_message=True, shown=piece.shown)]


def _may_be_message(piece: Piece) -> bool:
    return piece.media_type not in ("text/plain", "text/html") or (
        piece.attached and piece.name.lower().endswith(".eml")
    )


def _is_message(data: bytes) -> bool:
    if not _FIELD.match(data):
        return False
    header = re.split(rb"\r?\n\r?\n", data[:SAMPLE], maxsplit=1)[0]
    return len({name.lower() for name in _MAIL_FIELDS.findall(header)}) >= FEWEST_FIELDS


# ---- archives ----------------------------------------------------------------------------------


def _read_archive(piece: Piece, gathering: Gathering) -> list[Piece] | None:
    kind = archive_kind(piece.data)
    if kind is None:
        return None
    if piece.archive_depth >= gathering.limits.archive_depth:
        gathering.hit("archives within archives are nested deeper than is unpacked")
        return []
    members = list(open_archive(kind, piece.data, piece.name, gathering.allowance))
    if any(member.locked for member in members):
        gathering.locked_files.append(piece)
    if kind == "zip" and is_office([member.name for member in members]):
        return _office_texts(piece, members, gathering)
    return _members(piece, kind, members, gathering)


def open_locked_file(piece: Piece, passwords: list[str], gathering: Gathering) -> list[Piece]:
    """Return what one of the passwords opens; what stays locked is noted."""
    if piece.data.startswith(pdf.MAGIC):
        return _read_pdf(piece, gathering, passwords) or []
    kind = archive_kind(piece.data) or ""
    members = open_archive(kind, piece.data, piece.name, gathering.allowance, passwords=passwords)
    return _members(
        piece, kind, members, gathering, said="with a password that the message does not say"
    )


def _members(
    piece: Piece, kind: str, members: Iterable[Member], gathering: Gathering, *, said: str = ""
) -> list[Piece]:
    base = piece.path if piece.archive_depth else f"{piece.path}/{piece.name or 'archive.' + kind}"
    found = []
    for member in members:
        name = clean_name(member.name.rpartition("/")[2]) if member.name else ""
        path = f"{base}/{name}" if name else base
        if member.locked:
            if said:
                gathering.unread(path, f"locked {said}")
        elif member.unreadable:
            gathering.unread(path, member.unreadable)
        else:
            found.append(_file(piece, path, name, member.data))
    return found


def _file(
    piece: Piece, path: str, name: str, data: bytes, media_type: str = "application/octet-stream"
) -> Piece:
    return Piece(
        path, piece.depth + 1, data=data, media_type=media_type, name=name, attached=True,
        shown=piece.shown, archive_depth=piece.archive_depth + 1,
    )  # fmt: skip


def _office_texts(piece: Piece, members: list[Member], gathering: Gathering) -> list[Piece]:
    readable = {
        member.name: member.data for member in members if not (member.locked or member.unreadable)
    }
    base = piece.path if piece.archive_depth else f"{piece.path}/{piece.name or 'document'}"
    texts = [
        _file(
            piece,
            f"{base}/{name.rpartition('/')[2]}",
            "",
            text.encode("utf-8", "replace"),
            "text/plain",
        )
        for name, text in read_office(readable)
    ]
    others = [member for member in members if not is_read_otherwise(member.name)]
    return texts + _members(piece, "zip", others, gathering)


# ---- DER ---------------------------------------------------------------------------------------


def _read_objects(piece: Piece, gathering: Gathering) -> list[Piece] | None:
    """Read DER objects that stand one after the other."""
    if piece.data[:1] != b"\x30":
        return None
    at = 0
    while found := recognise(piece.data, at):
        add_object(found[0], piece.data[at : found[1]], piece.path, gathering)
        at = found[1]
    if at > 0:
        return _signed_content(piece)
    return [] if add_public_key(piece.data, piece.path, gathering) else None


def _signed_content(piece: Piece) -> list[Piece]:
    """Return the content that an opaque S/MIME signature encloses."""
    found = recognise(piece.data)
    if found is None or found[0] != "pkcs7":
        return []
    _, content = read_signed(piece.data[: found[1]])
    if not content:
        return []
    entity = parse(content)
    return [Piece(f"{piece.path}.1", piece.depth + 1, entity, is_message=True, shown=piece.shown)]


# ---- documents ---------------------------------------------------------------------------------


def _read_document(piece: Piece, gathering: Gathering) -> list[Piece] | None:
    data = piece.data
    if not gathering.limits.documents:
        return None
    if data.startswith(tnef.MAGIC):
        return _contents(piece, tnef.read_tnef(data))
    if data.startswith(rich_text.MAGIC):
        text = rich_text.rtf_text(data).encode("utf-8", "replace")
        media_type = "text/html" if rich_text.is_html(data) else "text/plain"
        return _contents(piece, [tnef.Content(data=text, media_type=media_type)])
    if data.startswith(old_office.MAGIC):
        return _read_old_office(piece, gathering)
    if pdf.MAGIC in data[: pdf.MAGIC_WITHIN]:
        return _read_pdf(piece, gathering)
    return None


def _read_old_office(piece: Piece, gathering: Gathering) -> list[Piece]:
    try:
        return _contents(piece, old_office.read_old_office(piece.data))
    except old_office.LockedError:
        gathering.unread(piece.path, "an Office file, which is locked with a password")
    except old_office.BROKEN as error:
        gathering.unread(
            piece.path, f"an old Office file that can't be read ({type(error).__name__})"
        )
    return []


def _read_pdf(
    piece: Piece, gathering: Gathering, passwords: list[str] | None = None
) -> list[Piece]:
    try:
        return _contents(piece, pdf.read_pdf(piece.data, gathering.allowance, passwords or ()))
    except pdf.PdfLockedError as error:
        if passwords is None:
            gathering.locked_files.append(piece)
            return []
        gathering.unread(piece.path, str(error))
    except pdf.PdfError as error:
        gathering.unread(piece.path, str(error))
    return []


def _contents(piece: Piece, contents: list[tnef.Content]) -> list[Piece]:
    """Return texts of a document as the part itself, and what is attached to it as files within it."""
    found = []
    for number, one in enumerate(contents, start=1):
        is_text = not one.name and one.media_type.startswith("text/")
        name = clean_name(one.name.replace("\\", "/").rpartition("/")[2]) or f"{number}"
        path = piece.path if is_text else f"{piece.path}/{name}"
        found.append(
            Piece(path, piece.depth + 1, data=one.data, media_type=one.media_type, name="" if is_text else name,
                  attached=not is_text, shown=piece.shown, archive_depth=piece.archive_depth + (not is_text))
        )  # fmt: skip
    return found


# ---- text --------------------------------------------------------------------------------------


def _read_plain(piece: Piece, gathering: Gathering) -> list[Piece] | None:
    if not (piece.media_type.startswith("text/") or _is_text(piece.data)):
        return None
    within = read_text(piece, _text_of(piece, gathering.limits.text_chars), gathering)
    return [*within, *coded_parts(piece)] if piece.raw else within


def _text_of(piece: Piece, most: int) -> str:
    """Return the text of a part, of a long one a little more than is read."""
    enough = piece.data[: 4 * most + 4]  # no charset takes more for one character
    text = decode_text(enough, piece.charset)[: most + 1]
    return _FOLD.sub("", text) if text[:20].lstrip().upper().startswith(_FOLDED) else text


def _is_text(data: bytes) -> bool:
    sample = data[:SAMPLE]
    if sample.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    odd = sum(
        sample.count(byte) for byte in b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12"
    )
    return odd == 0 or _wide_charset(sample) is not None


def _wide_charset(sample: bytes) -> str | None:
    """Return UTF-16 or UTF-32 for text that has zeros in every second place, or in three of four."""
    pairs = len(sample) // 2
    if pairs < 4 or b"\0" not in sample:  # noqa: PLR2004 - too little to tell
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 0.8 * pairs and even == 0:
        return "utf-16-le"
    if even > 0.8 * pairs and odd == 0:
        return "utf-16-be"
    first, last = sample[::4].count(0), sample[3::4].count(0)
    if even + odd < 1.4 * pairs or (first and last):  # zeros in three of four
        return None
    return "utf-32-be" if first else "utf-32-le"


_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"),
)  # fmt: skip


def decode_text(data: bytes, charset: str | None) -> str:
    """Return the text of bytes: by its byte-order mark, its zeros or its charset."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return decode_bytes(data, name)
    return decode_bytes(data, _wide_charset(data[:SAMPLE]) or charset)


def _read_armour_within(piece: Piece, gathering: Gathering) -> list[Piece]:
    """Read the armour that stands in a file of another kind, such as an image of firmware."""
    text = b"\n".join(islice(_armoured(piece.data), MOST_BLOCKS)).decode("latin-1")
    return read_text(replace(piece, media_type="text/plain", shown=False), text, gathering)


def _armoured(data: bytes) -> Iterator[bytes]:
    """Yield the blocks of armour that stand in bytes of any kind."""
    begin = data.find(_BEGIN)
    while begin >= 0:
        end = data.find(_END, begin)
        if end < 0:
            return
        begin = data.rfind(_BEGIN, begin, end)
        if end - begin <= LONGEST_BLOCK:
            last = data[end : end + LONGEST_LAST_LINE].splitlines()[0]
            yield data[begin:end] + last
        begin = data.find(_BEGIN, end)


def _not_read(piece: Piece, gathering: Gathering) -> None:
    if not (piece.media_type.startswith(_SILENT) or piece.data.startswith(_PICTURES)):
        gathering.unread(piece.path, NO_KNOWN_FILE)
    elif piece.attached:
        gathering.unread(piece.path, "a picture, sound or film, which is not read")


_READERS: tuple[Callable[[Piece, Gathering], list[Piece] | None], ...] = (
    _read_header_fields, _read_message, _read_archive, _read_objects, _read_document, _read_plain,
)  # fmt: skip
