"""The intake side by side with mbsync and mu, over one Dovecot, in turns; medians.

(a) our fetch and durable archive alone; (b) our whole intake; (c) mbsync with FSync yes;
(d) `mu init` and `mu index` over what mbsync copied. Ours start in fresh processes over empty
databases on the same file system; what is counted begins before the first connection and ends when
nothing is owed. All speak to Dovecot over loopback, without TLS unless --tls says so.

Run: .venv/bin/python -m benchmarks.whole_intake [--count N] [--rounds N] [--hostile] [--large N]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.mailboxes import Mailbox, mailbox
from benchmarks.measure import (
    Cost,
    MemoryWatch,
    Row,
    at_most,
    interleaved,
    machine,
    median,
    print_table,
    ratio,
    say,
    skipped,
)
from tests.builders import make_config

MB = 1_000_000
CERTIFICATES = Path(__file__).parent.parent / "fixtures" / "certificates"


@dataclass(frozen=True)
class Run:
    """What one process of ours did and cost."""

    cost: Cost
    polled_after: float
    resident: int  # of the service's process, at most
    together: int  # PSS with its workers, at most
    database_bytes: int
    tickets: int


@dataclass
class Bench:
    """Where it is measured, and how often."""

    folder: Path
    rounds: int
    tls: bool

    def ours(self, what: str, box: Mailbox, into: list[Run]) -> None:
        """Run one variant of ours in a process of its own."""
        home = self.folder / "ours"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        options = box.server.mailbox_options()
        if not self.tls:
            options |= {"imap_port": box.server.port, "imap_security": "none", "imap_ca": ""}
        make_config(home, **options, issuing_cas=f'"{CERTIFICATES}/issuing_ca.pem"')
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.intake_process", what, home,
                 str(box.count), box.ends_at.isoformat()],
                stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
            watch = MemoryWatch(process.pid)
            output, _ = process.communicate()
        together = watch.end()
        if process.returncode != 0:
            raise RuntimeError(f"{what} failed:\n{(home / 'log').read_text()[-3000:]}")
        figures = json.loads(output)
        run = Run(
            Cost(figures["wall"], figures["cpu"]), figures["polled_after"], figures["resident"],
            together, figures["database_bytes"], figures["tickets"],
        )  # fmt: skip
        into.append(run)
        _tell(f"{what} of ours, {box.count:,}", run.cost, box)
        if what == "whole":
            say(
                f"      polled after {run.polled_after:.1f} s, {run.tickets} tickets, resident "
                f"{run.resident / MB:.0f} MB, with workers {together / MB:.0f} MB (PSS), "
                f"database {run.database_bytes / box.raw_bytes:.2f} of raw"
            )

    def peer(self, name: str, box: Mailbox, run: Callable[[], Cost], into: list[Cost]) -> None:
        """Run a peer."""
        into.append(run())
        _tell(name, into[-1], box)


def _tell(what: str, cost: Cost, box: Mailbox) -> None:
    each = cost.cpu / box.count * 1000
    say(f"  {what:28} {cost.wall:7.2f} s  CPU {cost.cpu:7.2f} s  {each:.2f} ms a message")


def measure_side_by_side(bench: Bench, box: Mailbox) -> list[Row]:
    """Return the comparison with the peers."""
    archive: list[Run] = []
    whole: list[Run] = []
    fetched: list[Cost] = []
    indexed: list[Cost] = []
    copy = bench.folder / "peers"

    def run_peers() -> None:
        if peers.has("mbsync"):
            bench.peer("mbsync", box, lambda: peers.mbsync(box, copy, tls=bench.tls), fetched)
        if fetched and peers.has("mu"):
            bench.peer("mu", box, lambda: peers.mu(copy), indexed)

    interleaved(
        bench.rounds,
        partial(bench.ours, "archive", box, archive),
        run_peers,
        partial(bench.ours, "whole", box, whole),
    )
    return [
        *_against_peers(box, archive, whole, fetched, indexed),
        *_alone(box, archive, whole),
        *_more_peers(bench, box, copy),
    ]


def _walls(runs: Sequence[Run]) -> float:
    return median([run.cost.wall for run in runs])


def _cpu(runs: Sequence[Run]) -> float:
    return median([run.cost.cpu for run in runs])


def _against_peers(
    box: Mailbox,
    archive: list[Run],
    whole: list[Run],
    fetched: list[Cost],
    indexed: list[Cost],
) -> list[Row]:
    number = f"{box.count:,} messages"
    rows = [
        Row(f"fetch + archive, {number}", f"{_walls(archive):.1f} s"),
        Row(f"the whole intake, {number}", f"{_walls(whole):.1f} s"),
    ]
    if not fetched:
        return [*rows, skipped("ratios to mbsync and mu", "mbsync is not installed")]
    mbsync = median([one.wall for one in fetched])
    rows += [
        Row(f"mbsync, FSync yes, {number}", f"{mbsync:.1f} s"),
        ratio("fetch + archive against mbsync", _walls(archive) / mbsync, 0.8, 0.5),
    ]
    if not indexed:
        return [*rows, skipped("ratio to mbsync and mu", "mu is not installed")]
    both = median([one.wall + two.wall for one, two in zip(fetched, indexed, strict=True)])
    return [
        *rows,
        Row(f"mbsync and mu index, {number}", f"{both:.1f} s"),
        ratio("the whole intake against mbsync and mu", _walls(whole) / both, 0.6, 0.45),
    ]


def _alone(box: Mailbox, archive: list[Run], whole: list[Run]) -> list[Row]:
    share = median([run.database_bytes for run in whole]) / box.raw_bytes
    return [
        Row("CPU of fetch + archive, a message", f"{_cpu(archive) / box.count * 1000:.2f} ms"),
        at_most("CPU of the whole intake, a message", _cpu(whole) / box.count * 1000, 1.6, 1.3, "ms"),
        ratio("database against raw bytes", share, 0.7, 0.5),
    ]  # fmt: skip


def _more_peers(bench: Bench, box: Mailbox, copy: Path) -> list[Row]:
    """Run once what only gives an order of magnitude."""
    if not copy.exists():
        return []
    rows = []
    for program, name, run in (
        ("notmuch", "notmuch new", peers.notmuch),
        ("public-inbox-init", "public-inbox", peers.public_inbox),
    ):
        if not peers.has(program):
            rows.append(skipped(name, f"{program} is not installed"))
            continue
        costs: list[Cost] = []
        try:
            bench.peer(name, box, partial(run, copy), costs)
        except RuntimeError as error:
            rows.append(skipped(name, str(error).splitlines()[0]))
            continue
        rows.append(Row(f"{name} over mbsync's copy, once", f"{costs[0].wall:.1f} s"))
    return rows


def measure_hostile(bench: Bench, box: Mailbox) -> list[Row]:
    """Return what References to many other threads cost."""
    plain: list[Run] = []
    hostile: list[Run] = []
    with mailbox(box.count, hostile_references=True) as other:
        interleaved(
            bench.rounds,
            partial(bench.ours, "whole", box, plain),
            partial(bench.ours, "whole", other, hostile),
        )
    return [
        ratio("hostile References against plain, wall", _walls(hostile) / _walls(plain), 1.2, 1.05),
        ratio("hostile References against plain, CPU", _cpu(hostile) / _cpu(plain), 1.2, 1.05),
    ]


def measure_growth(bench: Bench, box: Mailbox, large: int) -> list[Row]:
    """Return what a larger mailbox costs by message, and its memory."""
    few: list[Run] = []
    many: list[Run] = []
    with mailbox(large) as other:
        bench.ours("whole", box, few)
        bench.ours("whole", other, many)
        bench.ours("whole", box, few)
        share = many[0].database_bytes / other.raw_bytes
    times = large / box.count
    against = f"{large:,} against {box.count:,}"
    return [
        Row(f"the whole intake, {large:,} messages", f"{_walls(many):.1f} s"),
        ratio(f"wall a message, {against}", _walls(many) / times / _walls(few), 1.25, 1.1),
        ratio(f"CPU a message, {against}", _cpu(many) / times / _cpu(few), 1.25, 1.1),
        *_memory(few, many, against),
        ratio(f"database against raw bytes, {large:,}", share, 0.7, 0.5),
    ]


def _memory(few: list[Run], many: list[Run], against: str) -> list[Row]:
    resident = median([run.resident for run in many])
    together = median([run.together for run in many])
    less = median([run.together for run in few])
    return [
        at_most("resident memory of the service", resident / MB, 200, 150, "MB"),
        at_most("PSS of the service and its workers", together / MB, 300, 220, "MB"),
        ratio(f"that, {against}", together / less, 1.3, 1.1),
        ratio(
            f"resident, {against}", resident / median([run.resident for run in few]), 1.3, 1.1
        ),
    ]  # fmt: skip


def measure(
    count: int, rounds: int, *, large: int = 0, hostile: bool = False, tls: bool = False,
    folder: Path | None = None,
) -> list[Row]:  # fmt: skip
    """Measure everything that was asked for."""
    with tempfile.TemporaryDirectory(prefix="intake-bench-", dir=folder) as place:
        bench = Bench(Path(place), rounds, tls)
        with mailbox(count) as box:
            rows = measure_side_by_side(bench, box)
            if hostile:
                rows += measure_hostile(bench, box)
            if large:
                rows += measure_growth(bench, box, large)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="messages (10,000)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are (3)")
    parser.add_argument("--hostile", action="store_true", help="References to many threads too")
    parser.add_argument("--large", type=int, default=0, metavar="N", help="and N messages, once")
    parser.add_argument("--tls", action="store_true", help="TLS for everybody")
    parser.add_argument("--folder", type=Path, help="where to measure (the temporary folder)")
    options = parser.parse_args(arguments)
    say(machine())
    print_table(
        measure(
            options.count, options.rounds, large=options.large, hostile=options.hostile,
            tls=options.tls, folder=options.folder,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
