"""Fetching one step of a plan, so that one bad message costs only itself.

A batch that fails is fetched again message by message. A message that the server does not hand out
is looked up once more: not listed any more means gone, still listed means unreadable for now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from intake.mailbox.folder import FetchedMessage
from intake.mailbox.imap import ImapSession
from intake.mailbox.plan import FetchStep
from intake.mailbox.trouble import ImapLostError, ImapRefusedError

MOST_LOSSES_IN_A_ROW = 2  # then it is the connection, and not the messages


@dataclass(frozen=True)
class Fetched:
    """What came of a step."""

    messages: tuple[FetchedMessage, ...] = ()
    vanished: tuple[int, ...] = ()  # no longer on the server
    unreadable: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()  # why, for people


@dataclass
class _Found:
    messages: dict[int, FetchedMessage] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def fetch_step(server: ImapSession, step: FetchStep) -> Fetched:
    """Fetch the messages of a step.

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
    return _look_again(server, step.uids, absent, found)


def _look_again(
    server: ImapSession, uids: Sequence[int], absent: Iterable[int], found: _Found
) -> Fetched:
    losses = 0
    for uid in absent:
        try:
            message = server.fetch_in_pieces(uid)
        except ImapRefusedError as error:
            found.reasons[uid] = str(error)
        except ImapLostError as error:
            losses += 1
            if losses == MOST_LOSSES_IN_A_ROW:
                raise
            server.reopen()
            found.reasons[uid] = str(error)
            continue
        else:
            if message is not None:
                found.messages[uid] = message
        losses = 0
    missing = [uid for uid in uids if uid not in found.messages]
    listed = server.still_listed(missing) if missing else set()
    unreadable = tuple(uid for uid in missing if uid in listed)
    return Fetched(
        messages=tuple(found.messages[uid] for uid in uids if uid in found.messages),
        vanished=tuple(uid for uid in missing if uid not in listed),
        unreadable=unreadable,
        reasons=tuple(
            found.reasons.get(uid, f"the server lists message {uid} but does not hand it out")
            for uid in unreadable
        ),
    )
