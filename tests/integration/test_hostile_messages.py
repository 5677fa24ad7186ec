"""The worst messages cost the reader little, end as tickets, and never take the service with them."""

import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from intake.reading import LARGE_MESSAGE, READ_LARGE_LIMITS, READ_LIMITS, read_evidence
from intake.workers import Worker, WorkerFailure
from tests.hostile import HEAD, KINDS, LINK, MB, cost_of

TRIES = 3  # what else runs on the machine slows some readings, what is wrong slows all
SIZE = 4 * MB  # of 10 that are allowed the same: what grows with the square shows all the same


def test_the_limits_are_those_that_were_promised() -> None:
    assert LARGE_MESSAGE == 10_000_000
    assert READ_LIMITS == (5.0, 300_000_000)
    assert READ_LARGE_LIMITS == (10.0, 600_000_000)


@pytest.mark.parametrize("name", KINDS)
def test_a_hostile_message_is_read_within_its_limits(name: str) -> None:
    seconds, memory = READ_LIMITS

    for _ in range(TRIES):
        cost = cost_of(name, SIZE, seconds=seconds, memory=1_500_000_000)
        if cost.cpu < seconds:
            break

    assert "STOPPED" not in cost.outcome
    assert cost.cpu < seconds
    assert cost.memory < memory


@pytest.fixture
def reader() -> Iterator[Worker]:
    worker = Worker(memory_bytes=1_500_000_000)
    yield worker
    worker.close()


def spin(_: bytes) -> None:
    """Use the processor for ever."""
    while True:
        pass


def hoard(_: bytes) -> None:
    """Take ever more memory."""
    held = []
    while True:
        held.append(bytearray(10_000_000))


@pytest.mark.parametrize(("name", "reason"), [("spin", "timed_out"), ("hoard", "out_of_memory")])
def test_a_limit_ends_the_call_and_the_next_one_works(
    reader: Worker, name: str, reason: str
) -> None:
    with pytest.raises(WorkerFailure) as caught:
        reader.call(
            f"tests.integration.test_hostile_messages:{name}", b"",
            seconds=3, memory_bytes=200_000_000,
        )  # fmt: skip

    assert caught.value.reason == reason
    assert read_evidence(reader, HEAD + b"\r\n" + LINK).values_of("crtsh_id") == ("19429431",)


def test_a_limit_on_one_call_is_none_on_the_next(reader: Worker) -> None:
    with pytest.raises(WorkerFailure):
        reader.call("builtins:bytearray", 150_000_000, seconds=5, memory_bytes=100_000_000)

    assert len(reader.call("builtins:bytearray", 150_000_000, seconds=5)) == 150_000_000


MEASURE = """
import sys
from pathlib import Path
from tests.integration.test_hostile_messages import archive_in_pieces
print(archive_in_pieces(Path(sys.argv[1]), int(sys.argv[2])))
"""


def archive_in_pieces(folder: Path, size: int) -> int:
    """Archive a message of this size in pieces; return how much memory that took."""
    from intake.database import initialise_database
    from tests.builders import make_config
    from tests.faulty_imap import faulty_server
    from tests.reading import Reader

    folder.mkdir()
    database, _ = initialise_database(f"sqlite:///{folder}/intake.db")
    with faulty_server() as server:
        server.folders["INBOX"][1] = HEAD + b"\r\n" + bytes(size)
        mailbox = make_config(folder, imap_port=server.server_address[1]).mailbox[0]
        reader = Reader(database, mailbox, oversize=10 * MB)
        reader.poll()
        reader.batches = deque(maxlen=1)  # else they would all be held here
        before = most_memory()
        while reader.poll().unfinished:
            pass
        assert max(one.size for one in reader.messages()) == len(server.folders["INBOX"][1])
    database.close()
    return most_memory() - before


def most_memory() -> int:
    """Peak of this process alone; ru_maxrss would count what its parent held when it forked."""
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def test_p24_memory_is_bounded_whatever_the_size(tmp_path: Path) -> None:
    """A message of 200 MB takes no more room than its pieces."""
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "x"), str(200 * MB)]

    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert taken < 60 * MB
