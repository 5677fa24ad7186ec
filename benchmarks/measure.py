"""What the measurements share: time and memory of processes, medians, and the table at the end."""

import os
import platform
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, and what it must be and aims to be, if anything says so."""

    what: str
    figure: str
    must: str = ""
    aim: str = ""
    holds: bool | None = None  # None: there is nothing to hold, or the machine can't show it


def ratio(what: str, value: float, must: float, aim: float) -> Row:
    """Return the line of a ratio that has an upper bound."""
    return Row(what, f"{value:.2f} ×", f"≤ {must:g} ×", f"{aim:g} ×", value <= must)


def at_most(what: str, value: float, must: float, aim: float, unit: str) -> Row:
    """Return the line of a figure that has an upper bound."""
    return Row(what, f"{value:.3g} {unit}", f"≤ {must:g} {unit}", f"{aim:g} {unit}", value <= must)


def skipped(what: str, why: str) -> Row:
    """Return the line of what could not be measured here."""
    return Row(what, f"skipped: {why}")


def print_table(rows: Iterable[Row]) -> None:
    """Print figures as a Markdown table."""
    print("| what | figure | must | aim | |")
    print("| --- | --- | --- | --- | --- |")
    words = {True: "holds", False: "**MISSED**", None: ""}
    for row in rows:
        print(f"| {row.what} | {row.figure} | {row.must} | {row.aim} | {words[row.holds]} |")


def machine() -> str:
    """Say what was measured on, and how busy it was."""
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{platform.system()} {platform.release()}, {cores} cores, Python "
        f"{platform.python_version()}, load before {load:.1f}"
    )


def say(text: str) -> None:
    """Tell of progress at once."""
    print(text, flush=True)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


# ---- processes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processor, in user and system mode, children included."""

    wall: float
    cpu: float


def run_program(*command: str | Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a program and return its cost; its words are shown only if it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{output.decode(errors='replace')[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def family(pid: int) -> list[int]:
    """Return a process and everything that it started."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_of_family(pid: int) -> float:
    """Return the processor seconds of a process and its children, those that ended included."""
    ticks = 0
    for one in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and those of waited-for children
    return ticks / TICKS


def resident_peak(pid: int | str = "self") -> int:
    """Return the most bytes that a process had resident."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


class MemoryWatch:
    """Samples the proportional set size (PSS) of a process and its children."""

    def __init__(self, pid: int) -> None:
        """Begin."""
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Return the most that they had together, in bytes."""
        self._ended.set()
        self._thread.join()
        return self.peak

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(_pss, family(self._pid))))


def _pss(pid: int) -> int:
    with suppress(OSError):
        found = re.search(
            r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
        )
        return int(found[1]) * 1024 if found else 0
    return 0


def interleaved(rounds: int, *variants: Callable[[], object]) -> None:
    """Run variants in turns, in the opposite order every other round."""
    for number in range(rounds):
        for variant in variants if number % 2 == 0 else variants[::-1]:
            os.sync()  # what the one before left to be written is not the next one's cost
            variant()
