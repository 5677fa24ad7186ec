"""Reads one message's raw bytes into its evidence: what it shows, before anybody judges it.

Pure, and total for any bytes: what can't be taken apart is read as plain text, and what can't be
read at all is named. Nothing that the message points at is ever fetched.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from email.errors import MessageError
from hashlib import sha256

from intake.archive.header import LONGEST_HEADER, read_fields, split_header
from intake.archive.message_id import ids_in, message_ids_of, scan_message_ids
from intake.evidence.armour import find_blocks
from intake.evidence.content import open_locked_file, read_content
from intake.evidence.entities import parse, without_excess
from intake.evidence.gathering import Gathering
from intake.evidence.grounds import grounds_of, spam_signs
from intake.evidence.headers import decode_value, read_addresses, read_date
from intake.evidence.keys import LEFT_OUT, find_written_keys, leave_out
from intake.evidence.kind import AUTO_REPLY_FIELDS, KindSigns, kind_of
from intake.evidence.parts import (
    MAIL_ERRORS,
    Piece,
    deep_leaves,
    nested_senders,
    nested_subject,
    nested_summary,
    open_entity,
)
from intake.evidence.passwords import password_candidates
from intake.evidence.people import read_people
from intake.evidence.proving import open_what_is_locked, prove_statements
from intake.evidence.quoted import find_forwarded, find_tokens
from intake.evidence.texts import scan_text
from intake.evidence.values import (
    LIGHT,
    READ_AGAIN,
    Evidence,
    FoundCertificate,
    FoundCsr,
    FoundKey,
    Identifier,
    Limits,
    UnreadablePart,
)

__all__ = [
    "LEFT_OUT",
    "LIGHT",
    "READ_AGAIN",
    "Evidence",
    "FoundCertificate",
    "FoundCsr",
    "FoundKey",
    "Identifier",
    "Limits",
    "UnreadablePart",
    "extract_each",
    "extract_evidence",
    "unread_evidence",
]  # fmt: skip

LARGE_MESSAGE = 10_000_000  # bytes; it may cost twice as much as a smaller one
LARGEST_LIST = 25_000_000  # beyond, the bytes alone take what memory there is
MOST_ROUNDS = 3  # locked archives within locked archives
MOST_LOCKED_FILES = 20
MOST_OF_UNREAD = 1000  # characters of a field
_KNOWN_FIELD = re.compile(
    rb"^(?:from|to|cc|subject|date|received|message-id|return-path|mime-version|content-[a-z-]+|delivered-to"
    rb"|reply-to|sender|in-reply-to|references|x-[!-9;-~]+|auto-submitted|list-[a-z]+|dkim-signature)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)


def extract_evidence(raw: bytes, limits: Limits | None = None) -> Evidence:
    """Return what a message shows; never raises for any bytes."""
    limits = limits or Limits()
    if LARGE_MESSAGE < len(raw) <= LARGEST_LIST:
        limits = replace(limits, text_chars=limits.text_chars * 3 // 2)
    gathering = Gathering(limits)
    header, _ = split_header(raw)
    fields = read_fields(header[: limits.header_bytes])
    ids = message_ids_of(fields)
    if len(header) >= min(limits.header_bytes, LONGEST_HEADER):
        gathering.hit("the header is longer than is read")
        ids = message_ids_of(read_fields(header))
        header = header[: limits.header_bytes]
    subject = _read_subject(decode_value(_first(fields, "subject")), "subject", gathering)
    is_mail = _KNOWN_FIELD.search(header) is not None
    taken_apart = _read_body(raw, gathering, is_mail=is_mail)
    _open_locked_files(gathering)
    open_what_is_locked(gathering)
    prove_statements(gathering)
    digest = sha256(raw).hexdigest()
    evidence = _with_fields(
        Evidence(digest, len(raw), "unparsed", tuple(ids)), fields, subject, gathering
    )
    kind = kind_of(_signs(fields, evidence, gathering)) if taken_apart else evidence.kind
    grounds = grounds_of(gathering, evidence.subject, evidence.text)
    return _with_findings(evidence, kind, gathering, grounds, spam_signs(fields, grounds))


def extract_each(raws: Sequence[bytes]) -> list[Evidence]:
    """Return what each of several messages shows, as `extract_evidence` does of one."""
    limits = Limits()
    return [extract_evidence(raw, limits) for raw in raws]


def unread_evidence(raw: bytes, why: str) -> Evidence:
    """Return the evidence of a message whose reading was stopped: its own ids, subject and sender.

    It runs outside the worker, without its limits, so nothing else of the message is looked at.
    """
    header, _ = split_header(raw[:LONGEST_HEADER])
    fields = read_fields(header)
    subject = _first(fields, "subject")[:MOST_OF_UNREAD]
    sender = _first(fields, "from")[:MOST_OF_UNREAD]
    return Evidence(
        sha256(raw).hexdigest(),
        len(raw),
        "unparsed",
        tuple(scan_message_ids(raw)),
        senders=tuple(address for _, address in read_addresses([sender])),
        subject=_without_keys(decode_value(subject)),
        limits_hit=(why,),
    )


# ---- reading -----------------------------------------------------------------------------------


def _read_body(raw: bytes, gathering: Gathering, *, is_mail: bool) -> bool:
    """Read all parts; tell whether the message could be taken apart."""
    if len(raw) > gathering.limits.raw_bytes:
        gathering.hit(
            f"the message is larger than {gathering.limits.raw_bytes} bytes; the rest is not read"
        )
        raw = raw[: gathering.limits.raw_bytes]
    if not is_mail:
        _read_pieces([Piece("1", data=raw, raw=True)], gathering)
        return False
    if len(raw) >= LONGEST_HEADER:
        header, body = split_header(raw)
        if len(header) >= LONGEST_HEADER:  # as little of it is parsed as is read
            raw = header + b"\r\n\r\n" + body
    whole, raw = raw, without_excess(raw, 10 * gathering.limits.parts)
    if len(raw) < len(whole):
        gathering.hit(f"more than {gathering.limits.parts} parts; the rest is not read")
    try:
        message = parse(raw)
    except (*MAIL_ERRORS, MessageError):
        gathering.hit(
            "the message can't be taken apart (nested too deeply?); it was read as plain text"
        )
        _read_pieces([Piece("1", data=split_header(raw)[1], raw=True)], gathering)
        return False
    _read_pieces([Piece("1", entity=message)], gathering)
    return True


def _open_locked_files(gathering: Gathering) -> None:
    """Try what the message says as a password on its archives and documents."""
    for _ in range(MOST_ROUNDS):
        if not gathering.locked_files:
            return
        files, gathering.locked_files = gathering.locked_files[:MOST_LOCKED_FILES], []
        passwords = password_candidates(gathering.said)
        for piece in files:
            _read_pieces(open_locked_file(piece, passwords, gathering), gathering)


def _read_pieces(pieces: list[Piece], gathering: Gathering) -> None:
    """Read pieces and what stands within them, in order, until all are read or a limit is hit."""
    waiting = pieces[::-1]
    while waiting:
        piece = waiting.pop()
        if piece.depth > gathering.limits.depth:
            waiting += _read_flat(piece, gathering)
            continue
        if not _may_read(piece, gathering):
            continue
        try:
            within = (
                open_entity(piece, gathering)
                if piece.entity is not None
                else read_content(piece, gathering)
            )
            if piece.is_message and piece.entity is not None:
                _read_nested(piece, gathering)
        except (*MAIL_ERRORS, MessageError) as error:
            gathering.unread(piece.path, f"can't be read ({type(error).__name__})")
            continue
        waiting += reversed(within)


def _read_flat(piece: Piece, gathering: Gathering) -> list[Piece]:
    """Return the leaves of what is nested too deeply, so that depth hides nothing."""
    limit = gathering.limits.depth
    if piece.entity is None:
        gathering.hit(f"what stands deeper than {limit} levels is not read")
        return []
    gathering.hit(f"parts nested deeper than {limit} levels are read without their structure")
    return deep_leaves(piece, limit)[::-1]


def _may_read(piece: Piece, gathering: Gathering) -> bool:
    if piece.entity is not None:
        gathering.parts += 1
    if gathering.parts > gathering.limits.parts:
        gathering.hit(f"more than {gathering.limits.parts} parts; the rest is not read")
        return False
    return True


def _read_nested(piece: Piece, gathering: Gathering) -> None:
    if piece.entity is None:
        return
    if piece.shown:
        gathering.add_text(_without_keys(nested_summary(piece.entity)))
    gathering.forwarded |= dict.fromkeys(nested_senders(piece.entity))
    _read_subject(nested_subject(piece.entity), f"{piece.path}.subject", gathering)


def _read_subject(subject: str, path: str, gathering: Gathering) -> str:
    """Read a subject as the text that it is, and return it without keys."""
    named, shown = scan_text(subject, path, gathering)
    gathering.add_named(named, path)
    gathering.subjects.append(shown)
    return shown


def _without_keys(text: str) -> str:
    spans = [(block.start, block.end) for block in find_blocks(text) if block.secret]
    spans += [(key.start, key.end) for key in find_written_keys(text)]
    return leave_out(text, spans) if spans else text


# ---- putting together --------------------------------------------------------------------------


def _first(fields: dict[str, list[str]], name: str) -> str:
    return next(iter(fields.get(name, ())), "")


def _with_fields(
    evidence: Evidence, fields: dict[str, list[str]], subject: str, gathering: Gathering
) -> Evidence:
    senders = (
        read_addresses(fields.get("from", []))
        or read_addresses(fields.get("sender", []))
        or read_addresses(fields.get("return-path", []))
    )
    name, recipients = read_people(fields, thorough=gathering.holds_evidence)
    in_reply_to = [one for value in fields.get("in-reply-to", []) for one in ids_in(value)]
    references = [one for value in fields.get("references", []) for one in ids_in(value)]
    text = "\n\n".join(gathering.texts)
    return replace(
        evidence,
        in_reply_to=tuple(dict.fromkeys(in_reply_to)), references=tuple(dict.fromkeys(references)),
        senders=tuple(dict.fromkeys(address for _, address in senders)),
        sender_name=_without_keys(name), recipients=recipients,
        subject=subject, date=read_date(fields.get("date", [])), text=text,
        ticket_tokens=tuple(dict.fromkeys(find_tokens(subject) + find_tokens(text))),
        probe_token=next(iter(fields.get("x-cpr-intake-probe", [])), None),
    )  # fmt: skip


def _signs(fields: dict[str, list[str]], evidence: Evidence, gathering: Gathering) -> KindSigns:
    content_type = _first(fields, "content-type").lower()
    report_type = re.search(r"report-type\s*=\s*\"?([a-z-]+)", content_type)
    return KindSigns(
        content_type=content_type.partition(";")[0].strip(),
        report_type=report_type[1] if report_type else "",
        has_delivery_status=gathering.has_delivery_status,
        auto_submitted=_first(fields, "auto-submitted").lower(),
        precedence=_first(fields, "precedence").lower(),
        auto_reply_fields=any(
            value.strip().lower() not in ("", "no", "false") for name in AUTO_REPLY_FIELDS for value in fields.get(name, [])
        ),
        suppress=bool(fields.get("x-auto-response-suppress", [])),
        inbox_rule=bool(fields.get("x-ms-exchange-inbox-rules-loop", []) or fields.get("x-ms-exchange-generated-message-source", [])),
        null_return_path="".join(_first(fields, "return-path").split()) == "<>",
        sender=evidence.senders[0] if evidence.senders else "",
        subject=evidence.subject,
        answers=bool(_first(fields, "in-reply-to") or _first(fields, "references")),
    )  # fmt: skip


MOST_OF_THREAD = 15  # of References that are kept as mentioned: some name every mail of years


def _with_findings(
    evidence: Evidence,
    kind: str,
    gathering: Gathering,
    grounds: tuple[str, ...],
    spam: tuple[str, ...],
) -> Evidence:
    thread = evidence.references  # its root, and what stands nearest
    near = (*thread[:1], *thread[-MOST_OF_THREAD:])
    mentioned = dict.fromkeys([*evidence.in_reply_to, *near, *gathering.mentioned])
    own = set(evidence.message_ids)
    is_status = kind == "delivery_status"
    return replace(
        evidence, kind=kind, grounds=grounds, suggested_spam=spam,
        mentioned_message_ids=tuple(one for one in mentioned if one not in own),
        delivery_status_of=tuple(gathering.enclosed or gathering.mentioned) if is_status else (),
        identifiers=tuple(gathering.identifiers.values()),
        certificates=tuple(gathering.certificates.values()),
        private_keys=tuple(gathering.keys), csrs=tuple(gathering.csrs),
        key_proofs=tuple(gathering.proofs), key_claims=tuple(gathering.claims),
        unclassified_hex=_unclassified(gathering),
        domains=_domains_of_others(evidence, gathering), urls=tuple(gathering.urls),
        forwarded_from=() if is_status else _forwarded_from(evidence, gathering), differing_links=tuple(gathering.differing),
        unreadable_parts=tuple(gathering.unreadable), limits_hit=gathering.limits_hit,
    )  # fmt: skip


def _unclassified(gathering: Gathering) -> tuple[str, ...]:
    """Return the long hex that fits nothing; what a table or a link calls a serial number fits."""
    known = {value.lstrip("0") for _, value, _ in gathering.identifiers}
    return tuple(value for value in gathering.hexadecimal if value.lstrip("0") not in known)


def _forwarded_from(evidence: Evidence, gathering: Gathering) -> tuple[str, ...]:
    found = [
        *gathering.forwarded,
        *(find_forwarded(evidence.text) if gathering.holds_evidence else ()),
    ]
    return tuple(dict.fromkeys(one for one in found if one not in evidence.senders))


def _domains_of_others(evidence: Evidence, gathering: Gathering) -> tuple[str, ...]:
    """Return the domains named, but not those of the people who write and are written to."""
    own = {address.rpartition("@")[2] for address in (*evidence.senders, *evidence.recipients)}
    return tuple(
        name for name in gathering.domains
        if name not in own and not any(name.endswith("." + domain) for domain in own)
    )  # fmt: skip
