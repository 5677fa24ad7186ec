"""Reads messages in a worker, each within its limits: whatever a message does, it is read somehow.

Many small ones go in one call. One that is too much for that is read by itself, one that is too
much even so has its text read at least, and one that breaks that too shows its headers.
"""

import errno
import logging
from collections.abc import Sequence
from dataclasses import replace

from intake.evidence.extract import LIGHT, READ_AGAIN, Evidence, Limits, unread_evidence
from intake.workers import Worker, WorkerFailure

logger = logging.getLogger(__name__)

# Seconds of the processor and bytes of memory that reading one message may cost a worker.
LARGE_MESSAGE = 10_000_000
READ_LIMITS = (5.0, 300_000_000)
READ_LARGE_LIMITS = (10.0, 600_000_000)
CALL_SECONDS = 1.0  # for a call with many; one that takes longer is read by itself


def read_each(reader: Worker, raws: Sequence[bytes]) -> list[Evidence]:
    """Return what messages show; many small ones in one call, since calls cost more than reading.

    If one of them is too much for that, each is read by itself, within limits of its own.

    Raises:
        OSError: if the reader can't even read nothing, so that no message is at fault.
    """
    if len(raws) > 1:
        try:
            read: list[Evidence] = reader.call(
                "intake.evidence.extract:extract_each", list(raws),
                seconds=CALL_SECONDS, memory_bytes=READ_LIMITS[1],
            )  # fmt: skip
        except WorkerFailure:
            logger.info("a message among %d needs the reader for itself", len(raws))
        else:
            return read
    return [read_evidence(reader, raw) for raw in raws]


def read_evidence(reader: Worker, raw: bytes) -> Evidence:
    """Return what a message shows; one that breaks the reader shows its headers only.

    Raises:
        OSError: if the reader can't even read nothing, so that no message is at fault.
    """
    for attempt in range(2):
        try:
            return _read_in(reader, raw)
        except WorkerFailure as failure:
            if failure.reason == "crashed" and attempt == 0:
                _make_sure_it_lives(reader)
                continue
            return _read_lightly(reader, raw, f"reading it {failure.reason.replace('_', ' ')}")
    raise AssertionError


def _read_lightly(reader: Worker, raw: bytes, why: str) -> Evidence:
    """Read the text at least, so that a hostile attachment hides nothing that the text says."""
    try:
        evidence = _read_in(reader, raw, LIGHT)
    except WorkerFailure:
        return unread_evidence(raw, why)
    return replace(evidence, limits_hit=(f"{why}; {READ_AGAIN}", *evidence.limits_hit))


def _read_in(reader: Worker, raw: bytes, limits: Limits | None = None) -> Evidence:
    seconds, memory = READ_LIMITS if len(raw) <= LARGE_MESSAGE else READ_LARGE_LIMITS
    evidence: Evidence = reader.call(
        "intake.evidence.extract:extract_evidence", raw, limits or Limits(),
        seconds=seconds, memory_bytes=memory,
    )  # fmt: skip
    if len(raw) > LARGE_MESSAGE:
        reader.close()  # it would keep the memory; the next message has a new one
    return evidence


def _make_sure_it_lives(reader: Worker) -> None:
    try:
        _read_in(reader, b"")
    except WorkerFailure as failure:
        message = f"the process that reads messages can't be started ({failure.detail})"
        raise OSError(errno.ENOMEM, message) from failure
