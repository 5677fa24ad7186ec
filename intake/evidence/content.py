"""Reads the content of one part, by what it is and not by what it is called."""

import re
from hashlib import sha256

from intake.archive.message_id import ids_in
from intake.evidence.armour import Block, find_blocks
from intake.evidence.containers import archive_kind, open_archive
from intake.evidence.der import PRIVATE_KEYS, read_signed, recognise, spki_of_csr
from intake.evidence.gathering import Gathering
from intake.evidence.headers import decode_bytes
from intake.evidence.identifiers import find_named, named_by_link
from intake.evidence.key_statements import find_claims, prove_request
from intake.evidence.keys import (
    blank,
    find_written_keys,
    key_in_block,
    leave_out,
    read_key,
)
from intake.evidence.locked import Locked
from intake.evidence.markup import read_html, read_xml
from intake.evidence.named import Named
from intake.evidence.parts import Piece, clean_name, parse
from intake.evidence.proving import add_certificate, note_key, note_locked
from intake.evidence.quoted import find_quoted_ids
from intake.evidence.values import FoundCsr

SAMPLE = 4096  # bytes that tell text from other content
_SIGNATURES = (
    "application/pgp-signature",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
)
_SILENT = ("image/", "audio/", "video/", "font/")
_UNREAD = (
    (b"%PDF", "a PDF file, whose text is not read"),
    (b"\xd0\xcf\x11\xe0", "an old Office or Outlook file, which is not read"),
    (b"\x78\x9f\x3e\x22", "a winmail.dat file, which is not read"),
)
_HTML = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_MAIL_FIELDS = re.compile(
    rb"^(?:received|from|to|subject|date|message-id|return-path|delivered-to|mime-version|dkim-signature"
    rb"|content-type):",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(rb"(?:>?From [^\r\n]*\r?\n)?[A-Za-z][A-Za-z0-9-]*:")
_BASE64_LINES = re.compile(
    r"(?:^[ \t>|]*+[A-Za-z0-9+/=]{40,}+[ \t]*+(?:\r?\n|\Z))++(?:[ \t>|]*+[A-Za-z0-9+/]++={0,2}[ \t]*\r?$)?",
    re.MULTILINE,
)
FEWEST_FIELDS = 3
_WITHOUT_PLACE = ("url", "domain", "hex")


def read_content(piece: Piece, gathering: Gathering) -> list[Piece]:
    """Read bytes: note what they show, and return what stands within them."""
    data = piece.data
    if not data or piece.media_type in _SIGNATURES:
        return []
    if piece.media_type == "text/rfc822-headers":
        gathering.mention(ids_in(_message_ids_in(data)), enclosed=True)
        return []
    if piece.media_type == "message/rfc822" or (_may_be_message(piece) and _is_message(data)):
        return [
            Piece(
                f"{piece.path}.1", piece.depth + 1, parse(data), is_message=True, shown=piece.shown
            )
        ]
    archive = archive_kind(data)
    if archive:
        return _open(archive, piece, gathering)
    if data[:1] == b"\x30" and _read_der(piece, gathering):
        return _signed_content(piece)
    if piece.media_type.startswith("text/") or _is_text(data):
        read_text(piece, decode_text(data, piece.charset), gathering)
    else:
        _not_read(piece, gathering)
    return []


def _message_ids_in(data: bytes) -> str:
    text = data.decode("latin-1")
    return "\n".join(
        re.findall(
            r"^message-id:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", text, re.IGNORECASE | re.MULTILINE
        )
    )


def _may_be_message(piece: Piece) -> bool:
    return piece.media_type not in ("text/plain", "text/html") or (
        piece.attached and piece.name.lower().endswith(".eml")
    )


def _is_message(data: bytes) -> bool:
    if not _FIELD.match(data):
        return False
    header = re.split(rb"\r?\n\r?\n", data[:SAMPLE], maxsplit=1)[0]
    return len({name.lower() for name in _MAIL_FIELDS.findall(header)}) >= FEWEST_FIELDS


def _open(kind: str, piece: Piece, gathering: Gathering) -> list[Piece]:
    if piece.archive_depth >= gathering.limits.archive_depth:
        gathering.hit("archives within archives are nested deeper than is unpacked")
        return []
    base = piece.path if piece.archive_depth else f"{piece.path}/{piece.name or 'archive.' + kind}"
    found = []
    for member in open_archive(kind, piece.data, piece.name, gathering.allowance):
        name = clean_name(member.name.rpartition("/")[2]) if member.name else ""
        path = f"{base}/{name}" if name else base
        if member.unreadable:
            gathering.unread(path, member.unreadable)
        else:
            found.append(
                Piece(path, piece.depth + 1, data=member.data, media_type="application/octet-stream", name=name,
                      attached=True, shown=piece.shown, archive_depth=piece.archive_depth + 1)
            )  # fmt: skip
    return found


# ---- DER ---------------------------------------------------------------------------------------


def _read_der(piece: Piece, gathering: Gathering) -> bool:
    """Read DER objects that stand one after the other; tell whether there was one."""
    at = 0
    while found := recognise(piece.data, at):
        add_object(found[0], piece.data[at : found[1]], piece.path, gathering)
        at = found[1]
    return at > 0


def add_object(what: str, der: bytes, path: str, gathering: Gathering) -> None:
    """Note a DER object that was recognised."""
    if what == "certificate":
        add_certificate(der, path, gathering)
    elif what == "csr":
        spki = spki_of_csr(der)
        gathering.csrs[FoundCsr(der, sha256(spki).hexdigest() if spki else None, path)] = None
        gathering.prove(prove_request(der, path))
    elif what in PRIVATE_KEYS:
        note_key(read_key(der), path, gathering)
    elif what == "pkcs7":
        for one in read_signed(der)[0]:
            add_certificate(one, path, gathering)
    elif what == "pkcs12":
        note_locked(Locked("pkcs12", der, path), gathering)
    elif what == "enveloped":
        gathering.unread(path, "encrypted")


def _signed_content(piece: Piece) -> list[Piece]:
    """Return the content that an opaque S/MIME signature encloses."""
    found = recognise(piece.data)
    if found is None or found[0] != "pkcs7":
        return []
    _, content = read_signed(piece.data[: found[1]])
    if not content:
        return []
    return [
        Piece(
            f"{piece.path}.1", piece.depth + 1, parse(content), is_message=True, shown=piece.shown
        )
    ]


# ---- text --------------------------------------------------------------------------------------


def _is_text(data: bytes) -> bool:
    sample = data[:SAMPLE]
    if sample.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    odd = sum(
        sample.count(byte) for byte in b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12"
    )
    return odd == 0 or _wide_charset(sample) is not None


def _wide_charset(sample: bytes) -> str | None:
    """Return UTF-16 for text that has a zero in every second place."""
    pairs = len(sample) // 2
    if pairs < 4:  # noqa: PLR2004 - too little to tell
        return None
    if sample[1::2].count(0) > 0.8 * pairs and sample[::2].count(0) == 0:
        return "utf-16-le"
    if sample[::2].count(0) > 0.8 * pairs and sample[1::2].count(0) == 0:
        return "utf-16-be"
    return None


def decode_text(data: bytes, charset: str | None) -> str:
    """Return the text of bytes: by its byte-order mark, its zeros or its charset."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return decode_bytes(data, "utf-16")
    if data.startswith(b"\xef\xbb\xbf"):
        return decode_bytes(data[3:], "utf-8")
    return decode_bytes(data, _wide_charset(data[:SAMPLE]) or charset)


def read_text(piece: Piece, text: str, gathering: Gathering) -> None:
    """Read text: plain, HTML or XML."""
    text = gathering.searchable(text)
    source = ""
    links: tuple[str, ...] = ()
    is_xml = piece.media_type.endswith("xml") or piece.name.lower().endswith((".xml", ".rels"))
    if piece.media_type in ("text/html", "application/xhtml+xml") or (
        piece.media_type != "text/plain" and _HTML.match(text)
    ):
        source = text
        markup = read_html(text, largest=gathering.limits.html_bytes)
        text, links = markup.text, markup.links
        _note_hidden_keys(source, text, piece.path, gathering)
        if not markup.whole:
            gathering.hit("HTML too large or nested too deeply: it was read without its structure")
    elif is_xml or text.startswith("<?xml"):
        text = read_xml(text)
    named, shown = scan_text(text, piece.path, gathering)
    if source:
        targets = [one for link in links for one in named_by_link(link)]
        named = sorted(
            _placed(named, source) + _placed(targets, source), key=lambda one: one.offset
        )
    gathering.add_named(named, piece.path)
    if piece.raw:
        shown = _BASE64_LINES.sub("", shown)  # encoded parts may hold keys
    if piece.shown:
        gathering.add_text(shown)


def scan_text(text: str, path: str, gathering: Gathering) -> tuple[list[Named], str]:
    """Note blocks and Message-IDs of a text; return what it names, and the text without keys."""
    blocks = find_blocks(text)
    secrets = [(block.start, block.end) for block in blocks if block.secret]
    written = find_written_keys(text)
    secrets += [(key.start, key.end) for key in written]
    for block in blocks:
        _add_block(block, path, gathering)
    for key in written:
        note_key(key.key, path, gathering)
    known = [(block.start, block.end) for block in blocks if recognise(block.data)]
    plain = blank(text, [*secrets, *known])
    gathering.mention(find_quoted_ids(plain))
    gathering.claim(find_claims(text, path))
    return find_named(plain, most=gathering.room), leave_out(text, secrets)


def _add_block(block: Block, path: str, gathering: Gathering) -> None:
    if block.data.startswith(b"-----BEGIN"):  # armour within base64
        for inner in find_blocks(block.data.decode("latin-1")):
            _add_block(inner, path, gathering)
        return
    if block.secret:
        note_key(key_in_block(block).key, path, gathering)
        return
    found = recognise(block.data)
    if found:
        add_object(found[0], block.data[: found[1]], path, gathering)
    elif "CERTIFICATE" in block.label.split() and block.data[:1] == b"\x30" and block.complete:
        what = "csr" if "REQUEST" in block.label else "certificate"
        add_object(what, block.data, path, gathering)
    elif block.label == "PGP MESSAGE":
        gathering.unread(path, "encrypted")
    elif "CERTIFICATE" in block.label.split():
        gathering.unread(path, "a certificate in PEM that is cut off or garbled")


def _note_hidden_keys(source: str, text: str, path: str, gathering: Gathering) -> None:
    """Note keys in comments and attributes of HTML, which no text shows."""
    if "PRIVATE KEY" in source and "PRIVATE KEY" not in text:
        for block in find_blocks(source):
            if block.secret:
                _add_block(block, path, gathering)


def _placed(named: list[Named], source: str) -> list[Named]:
    """Give what HTML names its place in the source, going on from place to place."""
    lower = source.lower()
    at = 0
    misses = 100
    placed = []
    for one in named:
        if one.kind in _WITHOUT_PLACE:
            placed.append(one)
            continue
        place = -1
        for needle in (one.named_as.lower(), one.named_as.lower().replace("&", "&amp;"), one.value):
            place = lower.find(needle, at)
            if place < 0 and misses > 0:
                misses -= 1
                place = lower.find(needle)
            if place >= 0:
                break
        at = max(place, at)
        placed.append(Named(one.kind, one.value, max(place, 0), one.named_as))
    return placed


def _not_read(piece: Piece, gathering: Gathering) -> None:
    for magic, reason in _UNREAD:
        if piece.data.startswith(magic):
            gathering.unread(piece.path, reason)
            return
    if not piece.media_type.startswith(_SILENT):
        gathering.unread(piece.path, "a kind of file that is not read")
    elif piece.attached:
        gathering.unread(piece.path, "a picture, sound or film, which is not read")
