"""The intake in a process of its own, over a mailbox that is full already; prints its cost as JSON.

Run by `benchmarks.whole_intake`: python -m benchmarks.intake_process archive|whole FOLDER COUNT NOW

`archive` polls only. `whole` runs the two loops of the service side by side, the one that polls and
the one that reads and decides, until nothing is left. Look-ups, linting, escalation and delivery
are not begun. The log is written as the service writes it, and thrown away.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, func, select

from benchmarks.measure import cpu_of_family, resident_peak
from intake import garbage, pipeline
from intake.archive.seal import ArchiveKey, remember_key
from intake.clock import Clock, wall_clock
from intake.config import load_config
from intake.database import Database, initialise_database
from intake.logs import start_logging
from intake.loop import Loop
from intake.pipeline import Parts
from intake.reading import read_evidence
from intake.service import assemble
from intake.tables import Job, Message, Ticket

LOOK_SECONDS = 0.05


def main() -> None:
    """Do the work, and print what it cost."""
    what, folder, count, now = sys.argv[1:]
    start_logging()
    print(json.dumps(measure(what, Path(folder), int(count), datetime.fromisoformat(now))))


def measure(what: str, folder: Path, count: int, now: datetime) -> dict[str, Any]:
    """Run one variant over an empty database and return its figures."""
    config = load_config(folder / "config.toml")
    database, _ = initialise_database(config.database.url)
    with database.write() as session:
        remember_key(session, ArchiveKey.create(folder / "archive.key"))
    with assemble(config, database, _clock_from(now)) as parts:
        if what == "whole":
            read_evidence(parts.reader, b"")
        garbage.search_seldom()  # as the service does before it starts
        figures = _timed(parts, whole=what == "whole")
    figures |= _counts(database)
    assert figures["messages"] == count, f"{figures['messages']} messages of {count}"
    database.close()  # and with it the write-ahead log goes into the file
    figures["database_bytes"] = sum(path.stat().st_size for path in folder.glob("intake.db*"))
    return figures


def _clock_from(begin: datetime) -> Clock:
    """Return a clock that goes on from an instant: the messages have just come."""
    offset = begin - wall_clock()
    return lambda: wall_clock() + offset


def _timed(parts: Parts, *, whole: bool) -> dict[str, Any]:
    began, cpu = time.monotonic(), cpu_of_family(os.getpid())
    polled = _poll_and_process(parts) if whole else _poll(parts)
    return {
        "wall": time.monotonic() - began,
        "cpu": cpu_of_family(os.getpid()) - cpu,
        "polled_after": polled - began,
        "resident": resident_peak(),
    }


def _poll(parts: Parts, kept: Callable[[], None] = pipeline.nobody_waits) -> float:
    pipeline.poll(parts, parts.config.mailbox[0], kept=kept)
    return time.monotonic()


def _poll_and_process(parts: Parts) -> float:
    """Run both loops as the service does; return when everything was polled."""
    stopping = threading.Event()
    loop = Loop("reading messages", lambda: pipeline.process_waiting(parts), 2)
    thread = threading.Thread(target=loop.run, args=(stopping,), daemon=True)
    thread.start()
    polled = _poll(parts, loop.wake.set)
    while _is_owed(parts):
        time.sleep(LOOK_SECONDS)
    stopping.set()
    loop.wake.set()
    thread.join()
    assert loop.trouble is None, loop.trouble
    return polled


def _is_owed(parts: Parts) -> bool:
    """Say whether messages wait; one whose turn is later has failed."""
    with parts.database.read() as session:
        waiting = select(Job).where(Job.state == "waiting", Job.kind == "process_message")
        job = session.exec(waiting.order_by(col(Job.due_at)).limit(1)).first()
    if job is not None and job.due_at > parts.clock():
        raise RuntimeError(f"{job.key} failed: {job.last_error}; the log says where")
    return job is not None


def _counts(database: Database) -> dict[str, Any]:
    with database.read() as session:
        return {
            "messages": _count(session, Message.id),
            "decided": _count(session, Message.decision),
            "tickets": _count(session, Ticket.id),
        }


def _count(session: Session, column: Any) -> int:  # noqa: ANN401
    return session.exec(select(func.count(col(column)))).one()


if __name__ == "__main__":
    main()
