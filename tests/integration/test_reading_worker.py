"""A reader that can't live is the machine's fault; a message that kills it is not."""

import errno

import pytest

from intake.database import is_environment_error
from intake.reading import read_evidence
from intake.workers import Worker
from tests.builders import make_message


def test_a_reader_that_cannot_start_leaves_the_message_for_later() -> None:
    reader = Worker(memory_bytes=1 << 20)
    try:
        with pytest.raises(OSError, match="can't be started") as raised:
            read_evidence(reader, make_message())
    finally:
        reader.close()

    assert raised.value.errno == errno.ENOMEM
    assert is_environment_error(raised.value)


def test_a_reader_that_was_killed_reads_the_message_again() -> None:
    reader = Worker(memory_bytes=1_500_000_000)
    try:
        read_evidence(reader, b"")
        reader._process.kill()  # as the kernel would, short of memory

        evidence = read_evidence(reader, make_message())
    finally:
        reader.close()

    assert [one.value for one in evidence.identifiers] == ["19429431"]
