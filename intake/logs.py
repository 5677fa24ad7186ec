"""What the service says of its work: one rich line for each unit of it.

A line is a few words and facts as key=value, or a JSON object. Facts are ids, digests, counts and
times: never a secret and never text from a mail. A traceback names where and what kind of error,
and its message only if the error is one of ours, since others may quote what they stumbled over.
"""

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import Any

from intake.errors import IntakeError

_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# How journald and syslog number the levels (sd-daemon).
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
CHATTY = ("apscheduler", "httpx", "httpcore", "slack_sdk", "imapclient")


def log_work(logger: logging.Logger, what: str, **facts: object) -> None:
    """Log one unit of work that was done, with its facts; those that are None are left out."""
    logger.info(what, extra={"facts": {k: v for k, v in facts.items() if v is not None}})


class LineFormatter(logging.Formatter):
    """One line of text for each record."""

    def __init__(self, *, in_journal: bool = False) -> None:
        """Leave out the time where journald adds it, and say the priority as it wants it."""
        super().__init__()
        self._in_journal = in_journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        head = f"<{_PRIORITIES.get(record.levelno, 7)}>" if self._in_journal else f"{_at(record)} "
        line = f"{head}{record.levelname} {record.name}: {_message(record)}"
        facts = _facts(record)
        if failure := _failure(record):
            facts["error"] = failure
        return " ".join([line, *(f"{name}={_value(fact)}" for name, fact in facts.items())])


class JsonFormatter(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object in one line."""
        failure = _failure(record)
        fields = {
            "at": _at(record),
            "level": record.levelname,
            "logger": record.name,
            "event": _message(record),
            **_facts(record),
            **({"error": failure} if failure else {}),
        }
        return json.dumps(fields, ensure_ascii=True, default=str)


def start_logging(form: str = "text", *, in_journal: bool = False) -> None:
    """Log to stderr in a form, "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else LineFormatter(in_journal=in_journal)
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_thread_failure(failed: threading.ExceptHookArgs) -> None:
    """Log what ended a thread; to be set as `threading.excepthook`."""
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        exc_info = (type(failed.exc_value), failed.exc_value, failed.exc_traceback)
        name = "?" if failed.thread is None else failed.thread.name
        logging.getLogger(__name__).critical("the thread %s ended", name, exc_info=exc_info)


def describe(error: BaseException) -> str:
    """Say an error in one line: its words if they are sure to hold nothing of a mail."""
    kind = type(error).__name__
    if isinstance(error, IntakeError):
        return f"{str(error).splitlines()[0]} ({kind})" if str(error) else kind
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({kind})"
    original = getattr(error, "orig", None)  # of the database; without values
    text = str(original).strip().split("\n")[0] if original is not None else ""
    return f"{text} ({kind})" if text else kind


def _at(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    return _CONTROL.sub("·", record.getMessage())


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return dict(getattr(record, "facts", {}))


def _value(fact: object) -> str:
    text = str(fact)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _failure(record: logging.LogRecord) -> str:
    """Return an error and what led to it: kinds and places, innermost last, no quoted data."""
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    chain: list[str] = []
    error: BaseException | None = record.exc_info[1]
    while error is not None and len(chain) < 5:  # noqa: PLR2004 - the rest leads nowhere new
        frames = traceback.extract_tb(error.__traceback__)[-12:]
        places = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
        chain.append(f"{describe(error)} at {places}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " | caused by ".join(chain)
