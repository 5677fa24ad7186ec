"""All measurements one after the other, and one table at the end: `make bench`.

Run: .venv/bin/python -m benchmarks [--count N] [--rounds N] [--large N] [--quick]
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.measure import Row, machine, print_table, say
from intake.clock import wall_clock


def main() -> int:
    """Measure everything; status 1 if something could not be measured or misses what it must."""
    options = _parser().parse_args()
    before = machine()
    say(before)
    rows: list[Row] = []
    began = time.monotonic()
    for name, measure in _measurements(options):
        say(f"\n== {name} ({(time.monotonic() - began) / 60:.0f} min so far)")
        try:
            rows += measure()
        except Exception as error:  # noqa: BLE001 - what can't be measured is said, and the next is
            rows.append(_failed(name, f"{type(error).__name__}: {error}".splitlines()[0]))
    say(f"\n{wall_clock():%-d %B %Y}, {before}, {(time.monotonic() - began) / 60:.0f} minutes\n")
    print_table(rows)
    return int(any(row.holds is False for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="messages of a mailbox (10,000)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are (3)")
    parser.add_argument("--large", type=int, default=0, metavar="N", help="and N messages, once")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, one round")
    return parser


def _measurements(
    options: argparse.Namespace,
) -> list[tuple[str, Callable[[], list[Row]]]]:
    # Here, since workers import this module again.
    from benchmarks import delivery_to_card, look_up, whole_intake

    part = 10 if options.quick else 1
    rounds = 1 if options.quick else options.rounds

    def whole() -> list[Row]:
        count, large = options.count // part, options.large // part
        return whole_intake.measure(count, rounds, large=large, hostile=True)

    return [
        ("the whole intake beside mbsync and mu", whole),
        ("finding a message by its Message-ID", lambda: look_up.measure(1_000_000 // part)),
        ("from the delivery to the card", lambda: delivery_to_card.measure(200 // part)),
        ("linting", lambda: _lint(3000 // part)),
    ]


def _failed(what: str, why: str) -> Row:
    return Row(what, f"could not be measured: {why}", holds=False)


def _lint(count: int) -> list[Row]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.lint", str(count)], check=False)
    if done.returncode != 0:
        return [_failed("linting", f"it ended with {done.returncode}")]
    return [Row(f"linting, {count:,} certificates", "its figures stand above")]


if __name__ == "__main__":
    sys.exit(main())
