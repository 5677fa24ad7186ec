"""Finding a message by its Message-ID among a million: in the process, and as `intake trace`.

The databases are made with the program's own tables and indexes; the rows are made up in SQL, with
short texts and sealed bytes of no meaning, since no look-up reads those. Both sizes are asked in
turns, for other Message-IDs each time.

Run: .venv/bin/python -m benchmarks.look_up [--large N] [--small N] [--folder DIRECTORY]
"""

# ruff: noqa: S608 - statements are put together from constants
import argparse
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Cost, Row, at_most, machine, median, print_table, ratio, say
from intake.archive.seal import ArchiveKey, remember_key
from intake.archive.search import messages_with_id
from intake.database import Database, initialise_database, open_database
from tests.builders import make_config

LOOK_UPS = 2000
PROCESSES = 11
COMMAND = Path(sys.executable).parent / "intake"
TABLES = ("message", "sealedmessage", "sighting", "messageidentry", "ticket")
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
AT = "strftime('%Y-%m-%d %H:%M:%S.000000', 1767225600 + 37 * i, 'unixepoch')"  # every 37 s of 2026
ROWS = (
    # A ticket for every tenth message.
    "INSERT INTO ticket (id, token, state, priority, subject, received_at, opened_at, labels) "
    f"SELECT i, printf('%08x', i), 'closed', 'normal', 'Misissued', {AT}, {AT}, '[]' "
    "FROM n WHERE i <= :count / 10",
    "INSERT INTO message (id, sha256, size, body_sha256, received_at, received_from, "
    "first_seen_at, decision, ticket, sender, subject, sent_at, kind, reading_problems, "
    "holds_private_key) SELECT i, lower(hex(randomblob(32))), 20000, lower(hex(randomblob(32))), "
    f"{AT}, 'received', {AT}, 'opened', 1 + i % (:count / 10), "
    f"printf('reporter%d@host%d.example', i % 5000, i % 97), 'Certificate ' || i, {AT}, "
    "'report', '[]', 0 FROM n",
    "INSERT INTO sealedmessage (message, sealed) SELECT i, randomblob(40) FROM n",
    "INSERT INTO sighting (message, mailbox, folder, uidvalidity, uid, internal_date, "
    f"first_seen_at, in_junk) SELECT i, 'cps', 'INBOX', 1, i, {AT}, {AT}, 0 FROM n",
    "INSERT INTO messageidentry (message, source, original, normalised, folded) "
    "SELECT i, 'header', '<' || id || '>', id, id FROM (SELECT i, "
    "printf('%08d.%08x@host%d.example', i, i * 2654435761 % 4294967296, i % 97) AS id FROM n)",
    # Every third names the one before it.
    "INSERT INTO messageidentry (message, source, original, normalised, folded) "
    "SELECT message + 1, 'mentioned', original, normalised, folded FROM messageidentry "
    "WHERE message % 3 = 0 AND message < :count AND source = 'header'",
    "INSERT INTO message_text (rowid, subject, sender, body) SELECT i, 'Certificate ' || i, "
    "printf('reporter%d@host%d.example', i % 5000, i % 97), 'please look at certificate ' || i "
    "FROM n",
    "INSERT INTO folder (mailbox, name, uidvalidity, cursor, is_junk, first_polled_at, "
    f"last_polled_at) SELECT 'cps', 'INBOX', 1, :count, 0, {AT}, {AT} FROM n WHERE i = :count",
    "INSERT INTO coverage (source, from_at, to_at, uidvalidity, uid_to, complete) "
    f"SELECT 'mailbox cps folder INBOX', '2026-01-01 00:00:00.000000', {AT}, 1, :count, 1 "
    "FROM n WHERE i = :count",
)


@dataclass(frozen=True)
class Archive:
    """An installation with so many messages."""

    folder: Path
    count: int

    def ids(self, many: int, *, seed: int) -> list[str]:
        """Return Message-IDs of messages that are there, at random, as people paste them."""
        chance = random.Random(seed)  # noqa: S311 - the same ones each time
        numbers = [chance.randint(1, self.count) for _ in range(many)]
        return [
            f"<{one:08d}.{one * 2654435761 % 2**32:08x}@host{one % 97}.example>" for one in numbers
        ]


def make_archive(folder: Path, count: int) -> Archive:
    """Make an installation whose database has rows for so many messages."""
    say(f"making rows for {count:,} messages …")
    began = time.monotonic()
    folder.mkdir()
    config = make_config(folder)
    database, _ = initialise_database(config.database.url)
    with database.write() as session:
        remember_key(session, ArchiveKey.create(folder / "archive.key"))
    database.close()
    with sqlite3.connect(folder / "intake.db") as connection:
        _fill(connection, count)
    connection.close()
    size = (folder / "intake.db").stat().st_size
    say(f"  {size / 1e6:,.0f} MB in {time.monotonic() - began:.0f} s")
    return Archive(folder, count)


def _fill(connection: sqlite3.Connection, count: int) -> None:
    """Write all rows, and the indexes after them: that is quicker."""
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-500000")
    marks = ", ".join("?" * len(TABLES))
    indexes = connection.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL AND tbl_name IN ({marks})",
        TABLES,
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for statement in ROWS:
        connection.execute(f"{NUMBERS} {statement}", {"count": count})
    for _, sql in indexes:
        connection.execute(sql)
    connection.commit()


# ---- measuring ---------------------------------------------------------------------------------


def look_up(archive: Archive, database: Database) -> list[float]:
    """Return the milliseconds of each look-up in the process, warmed up."""
    took = []
    for wanted in archive.ids(LOOK_UPS, seed=os.getpid()):
        with database.read() as session:
            began = time.perf_counter()
            found = messages_with_id(session, wanted)
            took.append((time.perf_counter() - began) * 1000)
        assert len(found) == 1, wanted
    return took[LOOK_UPS // 10 :]


def trace(archive: Archive, wanted: str) -> Cost:
    """Run `intake trace` as a person would and return its cost."""
    return run_quietly(COMMAND, "--config", archive.folder / "config.toml", "trace", wanted)


def run_quietly(*command: str | Path) -> Cost:
    """Run a program whose answer is not shown; it must have found something."""
    began = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    return Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime)


def measure(large: int = 1_000_000, small: int = 10_000, folder: Path | None = None) -> list[Row]:
    """Return the figures of both sizes."""
    with tempfile.TemporaryDirectory(prefix="intake-bench-", dir=folder) as place:
        few = make_archive(Path(place) / "small", small)
        many = make_archive(Path(place) / "large", large)
        return [*_in_process(few, many), *_as_process(few, many)]


def _in_process(few: Archive, many: Archive) -> list[Row]:
    rows = []
    for archive in (few, many):
        database = open_database(f"sqlite:///{archive.folder / 'intake.db'}")
        took = look_up(archive, database)
        database.close()
        p95 = statistics.quantiles(took, n=20)[-1]
        what = f"look-up in the process, {archive.count:,} messages"
        say(f"  {what}: median {median(took):.3f} ms, p95 {p95:.3f} ms")
        rows += [at_most(what, median(took), 0.3, 0.1, "ms"), Row(f"its p95, {archive.count:,}", f"{p95:.3g} ms")]  # fmt: skip
    return rows


def _as_process(few: Archive, many: Archive) -> list[Row]:
    costs: dict[int, list[Cost]] = {few.count: [], many.count: []}
    floor: list[Cost] = []
    trace(few, few.ids(1, seed=1)[0])  # the first start compiles
    for number in range(PROCESSES):
        for archive in (few, many) if number % 2 == 0 else (many, few):
            wanted = archive.ids(1, seed=number)[0]
            costs[archive.count].append(trace(archive, wanted))
        floor.append(run_quietly(sys.executable, "-c", "import sqlmodel"))
    walls = {count: median([one.wall for one in costs[count]]) for count in costs}
    for count, wall in walls.items():
        cpu = median([one.cpu for one in costs[count]])
        say(f"  trace, {count:,} messages: {wall * 1000:.0f} ms, CPU {cpu * 1000:.0f} ms")
    cpu = median([one.cpu for one in costs[many.count]]) * 1000
    bare = median([one.cpu for one in floor]) * 1000
    return [
        at_most(f"`intake trace`, {many.count:,} messages", walls[many.count] * 1000, 600, 400, "ms"),
        Row("its CPU", f"{cpu:.0f} ms, of which importing sqlmodel {bare:.0f} ms"),
        ratio(f"that against {few.count:,}", walls[many.count] / walls[few.count], 1.1, 1.1),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--large", type=int, default=1_000_000, help="messages (1,000,000)")
    parser.add_argument("--small", type=int, default=10_000, help="messages (10,000)")
    parser.add_argument("--folder", type=Path, help="where to measure (the temporary folder)")
    options = parser.parse_args(arguments)
    say(machine())
    print_table(measure(options.large, options.small, options.folder))


if __name__ == "__main__":
    main()
