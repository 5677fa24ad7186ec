"""Fetching one step of a plan, so that one bad message costs only itself.

A batch that fails is fetched again message by message. A message that the server does not hand out
is looked up once more: not listed any more means gone, still listed means unreadable for now.
Of an oversized message only the beginning is fetched here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from intake.mailbox.folder import OVERSIZED, UNREADABLE, Beginning, FetchedMessage
from intake.mailbox.imap import ImapSession
from intake.mailbox.plan import BEGINNING_BYTES, PIECE_BYTES, FetchStep
from intake.mailbox.trouble import ImapLostError, ImapRefusedError

SAMPLE_BYTES = 2048  # of a message, to see whether its pieces are right
MOST_LOSSES_IN_A_ROW = 2  # then it is the connection, and not the messages


@dataclass(frozen=True)
class Fetched:
    """What came of a step."""

    messages: tuple[FetchedMessage, ...] = ()
    vanished: tuple[int, ...] = ()  # no longer on the server
    unreadable: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()  # why, for people
    beginnings: tuple[Beginning, ...] = ()  # of oversized messages


@dataclass
class _Found:
    messages: dict[int, FetchedMessage] = field(default_factory=dict)
    beginnings: dict[int, Beginning] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def fetch_step(server: ImapSession, step: FetchStep, *, oversize: int) -> Fetched:
    """Fetch the messages of a step.

    Args:
        server: with the folder open.
        step: which messages.
        oversize: bytes above which only the beginning of a message is fetched.

    Raises:
        ImapLostError: if the connection does not hold.
    """
    if not step.uids:
        return Fetched()
    found = _Found()
    try:
        if step.large is None:
            found.messages = {one.uid: one for one in server.fetch(step.uids)}
    except ImapRefusedError:
        pass  # the message that it is about shows below
    except ImapLostError:
        server.reopen()
    absent = [uid for uid in step.uids if uid not in found.messages]
    if not absent:
        return Fetched(tuple(found.messages[uid] for uid in step.uids))
    return _look_again(server, step, absent, found, oversize=oversize)


def sizes_of(server: ImapSession, uids: Sequence[int]) -> dict[int, int]:
    """Return the sizes that the server states; a message of which it says none costs only itself.

    Raises:
        ImapLostError: if the connection does not hold.
    """
    try:
        return server.sizes(uids)
    except ImapRefusedError:
        pass
    except ImapLostError:
        server.reopen()
    sizes: dict[int, int] = {}

    def ask(uid: int) -> None:
        sizes.update(server.sizes([uid]))

    _one_by_one(server, uids, ask)
    return sizes


def _look_again(
    server: ImapSession, step: FetchStep, absent: Iterable[int], found: _Found, *, oversize: int
) -> Fetched:
    def fetch(uid: int) -> None:
        if step.large is not None and step.large > oversize:
            _fetch_beginning(server, uid, step.large, found)
            return
        message = fetch_in_pieces(server, uid, most=oversize)
        if message is not None and len(message.raw) > oversize:  # the server stated less
            raw = message.raw[:BEGINNING_BYTES]
            found.beginnings[uid] = Beginning(uid, message.internal_date, raw, None, OVERSIZED)
        elif message is not None:
            found.messages[uid] = message

    found.reasons = _one_by_one(server, absent, fetch)
    came = found.messages.keys() | found.beginnings.keys()
    missing = [uid for uid in step.uids if uid not in came]
    listed = server.still_listed(missing) if missing else set()
    unreadable = tuple(uid for uid in missing if uid in listed)
    return Fetched(
        messages=tuple(found.messages[uid] for uid in step.uids if uid in found.messages),
        vanished=tuple(uid for uid in missing if uid not in listed),
        unreadable=unreadable,
        reasons=tuple(
            found.reasons.get(uid, f"the server lists message {uid} but does not hand it out")
            for uid in unreadable
        ),
        beginnings=tuple(found.beginnings.values()),
    )


def _fetch_beginning(server: ImapSession, uid: int, size: int, found: _Found) -> None:
    raw, internal_date = server.fetch_piece(uid, 0, BEGINNING_BYTES)
    if raw is not None:
        found.beginnings[uid] = Beginning(uid, internal_date, raw, size, OVERSIZED)


def _one_by_one(
    server: ImapSession, uids: Iterable[int], ask: Callable[[int], None]
) -> dict[int, str]:
    """Ask for each message by itself; return by UID why it failed.

    Raises:
        ImapLostError: if the connection breaks at one message after the other.
    """
    reasons: dict[int, str] = {}
    losses = 0
    for uid in uids:
        try:
            ask(uid)
        except ImapRefusedError as error:
            reasons[uid] = str(error)
        except ImapLostError as error:
            losses += 1
            if losses == MOST_LOSSES_IN_A_ROW:
                raise
            server.reopen()
            reasons[uid] = str(error)
            continue
        losses = 0
    return reasons


def ask_about(server: ImapSession, uid: int) -> Beginning:
    """Return what the server still says of a message that it does not hand out.

    Raises:
        ImapLostError: if the connection does not hold.
    """
    header = b""
    internal_date: datetime | None = None
    for item in ("INTERNALDATE", "BODY.PEEK[HEADER]", "ENVELOPE"):
        try:
            if not header:
                header, date = server.known_of(uid, item)
                internal_date = internal_date or date
        except ImapRefusedError:
            continue
        except ImapLostError:
            server.reopen()
    size = sizes_of(server, [uid]).get(uid)
    return Beginning(uid, internal_date, header, size, UNREADABLE)


def fetch_in_pieces(server: ImapSession, uid: int, *, most: int) -> FetchedMessage | None:
    """Fetch a large message piece by piece; None if the server does not hand it out.

    Args:
        server: with the folder open.
        uid: which message.
        most: bytes that are wanted; what goes beyond is left out.
    """
    if not hands_out_pieces(server, uid):
        return next(iter(server.fetch([uid])), None)
    pieces = bytearray()
    internal_date = None
    while True:
        piece, date = server.fetch_piece(uid, len(pieces), PIECE_BYTES)
        if piece is None:
            return None
        internal_date = internal_date or date
        pieces += piece
        # Not by RFC822.SIZE: some servers only guess that.
        if len(piece) < PIECE_BYTES or len(pieces) > most:
            return FetchedMessage(uid, internal_date, bytes(pieces))


def hands_out_pieces(server: ImapSession, uid: int) -> bool:
    """Say whether a piece of a message is what stands there in the message.

    Dovecot 2.4.1 hands out the wrong bytes, silently, for messages that it stored with CRLF.
    """
    whole, _ = server.fetch_piece(uid, 0, 2 * SAMPLE_BYTES)
    part, _ = server.fetch_piece(uid, SAMPLE_BYTES, SAMPLE_BYTES)
    return whole is not None and whole[SAMPLE_BYTES:] == part
