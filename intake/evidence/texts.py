"""Reads text, HTML and XML: what it names, what it carries, and what may be shown of it."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from hashlib import sha256

from intake.evidence.acme import note_revocations
from intake.evidence.armour import Block, find_armoured, find_bare, find_blocks
from intake.evidence.columns import find_columns
from intake.evidence.der import spki_of_public_key
from intake.evidence.escaped import unescaped
from intake.evidence.gathering import Gathering
from intake.evidence.hex_dumps import find_hex_blocks
from intake.evidence.hints import BLOCK, HEX_DUMP, JSON, WRITTEN_KEY, look
from intake.evidence.identifiers import find_named, named_by_link
from intake.evidence.invisible import head_of, unmasked
from intake.evidence.key_statements import find_claims
from intake.evidence.keys import blank, find_written_keys, key_in_block, leave_out
from intake.evidence.link_meaning import read_link
from intake.evidence.links import find_links, ordinary_links
from intake.evidence.markup import Markup, read_html, read_xml
from intake.evidence.named import Named
from intake.evidence.objects import add_object
from intake.evidence.parts import Piece
from intake.evidence.proving import note_key
from intake.evidence.quoted import find_quoted_ids
from intake.evidence.taken_out import take_out
from intake.evidence.targets import differing_link
from intake.evidence.uuencoded import close_up, may_hold_files, take_out_files
from intake.evidence.web_keys import find_public_jwks

MOST_TOKENS = 200
_HTML = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_BASE64_LINES = re.compile(
    r"(?>(?:^[ \t>|]*+[A-Za-z0-9+/=]{40,}+[ \t]*+(?:\r?\n|\Z))+)(?:[ \t>|]*+[A-Za-z0-9+/]++={0,2}[ \t]*\r?$)?",
    re.MULTILINE,
)
# A web signature or token: header, payload and signature in base64 for URLs.
_WEB_SIGNATURE = re.compile(r"(eyJ(?<![\w-]eyJ)[\w-]{8,8000})\.([\w-]{2,200000})\.[\w-]*", re.ASCII)
_WITHOUT_PLACE = ("url", "domain", "hex")
_NAMES_CERTIFICATE = ("crtsh_id", "sha256", "sha1")


def read_text(piece: Piece, text: str, gathering: Gathering) -> list[Piece]:
    """Read text: plain, HTML or XML; return what stands encoded within it."""
    text = gathering.searchable(text)
    source = ""
    markup = Markup("", ())
    is_xml = piece.media_type.endswith("xml") or piece.name.lower().endswith((".xml", ".rels"))
    if piece.media_type in ("text/html", "application/xhtml+xml") or (
        piece.media_type != "text/plain" and _HTML.match(text)
    ):
        source = text
        markup = read_html(text, largest=gathering.limits.html_bytes)
        text = markup.text
        _note_hidden_keys(source, text, piece.path, gathering)
        if not markup.whole:
            gathering.hit("HTML too large or nested too deeply: it was read without its structure")
    elif is_xml or text.startswith("<?xml"):
        text = read_xml(text)
    packed: list[Piece] = []
    if not source and may_hold_files(text):
        text, packed = take_out_files(text, piece)
    named, shown = scan_text(text, piece.path, gathering)
    if source:
        named = sorted(
            _placed([*named, *_of_markup(markup, piece.path, gathering)], source),
            key=lambda one: one.offset,
        )
    gathering.add_named(named, piece.path)
    if piece.raw:
        shown = _BASE64_LINES.sub("", shown)  # encoded parts may hold keys
    if piece.shown:
        gathering.add_text(close_up(shown) if packed else shown)
    return [*packed, *_web_signatures(text, piece)] if "eyJ" in text else packed


def scan_text(text: str, path: str, gathering: Gathering) -> tuple[list[Named], str]:
    """Note blocks and Message-IDs of a text; return what it names, and the text without keys."""
    text = unescaped(text if text.isascii() else unmasked(text))
    armoured = find_armoured(text)
    read = [block for block in armoured if block.is_known and not block.secret]
    rest = take_out(text, [(block.start, block.end) for block in read])
    hints = look(rest.text)
    blocks = [block for block in armoured if block.secret or not block.is_known]
    blocks = _moved(blocks, rest.place_of) if read else blocks
    blocks += find_bare(rest.text, blocks) if BLOCK in hints else []
    blocks += find_hex_blocks(rest.text) if HEX_DUMP in hints else []
    secrets = [(block.start, block.end) for block in blocks if block.secret]
    written = find_written_keys(rest.text) if WRITTEN_KEY in hints else []
    secrets += [(key.start, key.end) for key in written]
    known = [(block.start, block.end) for block in blocks if block.is_known]
    plain = blank(rest.text, [*secrets, *known])
    named = find_named(plain, most=gathering.room, hints=hints)
    if read:
        blocks = [*read, *_moved(blocks, rest.original)]
        secrets = [(rest.original(start), rest.original(end)) for start, end in secrets]
        named = [one._replace(offset=rest.original(one.offset)) for one in named]
    blocks.sort(key=lambda block: block.start)
    for block in blocks:
        _add_block(block, path, gathering)
    for key in written:
        note_key(key.key, path, gathering)
    gathering.mention(find_quoted_ids(plain))
    if JSON in hints:
        gathering.claim(find_claims(text, path))
        note_revocations(text, path, gathering)
    named += [one for span in secrets for one in _within_secret(text, *span)]
    named += _public_keys(text, blocks, gathering) if blocks or JSON in hints else ()
    return named, leave_out(text, secrets)


def _moved(blocks: list[Block], place_of: Callable[[int], int]) -> list[Block]:
    return [
        block._replace(start=place_of(block.start), end=place_of(block.end)) for block in blocks
    ]


# ---- blocks ------------------------------------------------------------------------------------


def _add_block(block: Block, path: str, gathering: Gathering) -> None:
    if block.data.startswith(b"-----BEGIN"):  # armour within base64
        for inner in find_blocks(block.data.decode("latin-1")):
            _add_block(inner, path, gathering)
        return
    if block.secret:
        note_key(key_in_block(block), path, gathering)
        return
    if block.label == "SSH SIGNATURE":
        gathering.signing.add_signature(block.data, path)
    if block.found:
        what, end = block.found
        add_object(what, block.data[:end], path, gathering)
    elif "CERTIFICATE" in block.label.split() and block.data[:1] == b"\x30" and block.complete:
        what = "csr" if "REQUEST" in block.label else "certificate"
        add_object(what, block.data, path, gathering)
    else:
        _say_unread(block, path, gathering)


def _say_unread(block: Block, path: str, gathering: Gathering) -> None:
    if block.label == "PGP MESSAGE":
        gathering.unread(path, "encrypted")
    elif "CERTIFICATE" in block.label.split():
        gathering.unread(path, "a certificate in PEM that is cut off or garbled")


def _public_keys(text: str, blocks: list[Block], gathering: Gathering) -> Iterator[Named]:
    """Yield the hashes of public keys that are written out; what they are is said by their label."""
    for block in blocks:
        spki = (
            spki_of_public_key(block.data, bare="RSA" in block.label)
            if "PUBLIC KEY" in block.label
            else None
        )
        if spki:
            gathering.signing.add_key(spki)
            written = f"-----BEGIN {block.label}-----"
            yield Named("spki_sha256", sha256(spki).hexdigest(), block.start, written)
    if '"kty"' in text:
        for start, spki in find_public_jwks(text):
            yield Named("spki_sha256", sha256(spki).hexdigest(), start, '"kty"')


def _within_secret(text: str, start: int, end: int) -> Iterator[Named]:
    """Yield certificates named between the lines of a key; nothing else of it may come out."""
    piece = text[start:end]
    if "crt.sh" not in piece.lower():
        return
    for link in find_links(piece):
        for kind, value in read_link(link.url):
            if kind in _NAMES_CERTIFICATE:
                yield Named(kind, value, start + link.start, value)


def _note_hidden_keys(source: str, text: str, path: str, gathering: Gathering) -> None:
    """Note keys in comments and attributes of HTML, which no text shows."""
    if "PRIVATE KEY" in source and "PRIVATE KEY" not in text:
        for block in find_blocks(source):
            if block.secret:
                _add_block(block, path, gathering)


# ---- what stands within text -------------------------------------------------------------------


def _web_signatures(text: str, piece: Piece) -> Iterator[Piece]:
    """Yield header and payload of web signatures, which may carry certificates (`x5c`)."""
    for number, match in enumerate(_WEB_SIGNATURE.finditer(text)):
        decoded = [_decoded(match[group]) for group in (1, 2)]
        if number >= MOST_TOKENS:
            return
        if decoded[0].startswith(b"{"):
            yield Piece(
                f"{piece.path}/jws", piece.depth + 1, data=b"\n".join(decoded), media_type="application/json",
                shown=piece.shown, archive_depth=piece.archive_depth,
            )  # fmt: skip


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _of_markup(markup: Markup, path: str, gathering: Gathering) -> list[Named]:
    """Return what the targets of links and the tables of HTML name."""
    ordinary, others = ordinary_links(markup.links)
    gathering.add_urls(ordinary)
    found = [one for link in others for one in named_by_link(link)]
    for text, href in markup.labelled:
        difference = differing_link(text, href, path)
        if difference is not None:
            gathering.differ(difference)
    for table in markup.tables:
        columns = find_columns(table)
        found += [
            Named("serial_number", one.value, 0, table[one.start : one.end])
            for one in columns.serials
        ]
        found += [
            Named("crtsh_id", str(int(table[start:end])), 0, table[start:end])
            for start, end in columns.crtsh_ids
        ]
    return found


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
        written = one.named_as.lower()
        for needle in (written, written.replace("&", "&amp;"), one.value, *head_of(written)):
            place = lower.find(needle, at)
            if place < 0 and misses > 0:
                misses -= 1
                place = lower.find(needle)
            if place >= 0:
                break
        at = max(place, at)
        placed.append(Named(one.kind, one.value, max(place, 0), one.named_as))
    return placed
