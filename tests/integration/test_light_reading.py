"""A message whose attachments take too long to read still shows what its text says."""

from typing import Any

import pytest

from intake.evidence.extract import LIGHT, READ_AGAIN, extract_evidence
from intake.reading import read_evidence
from intake.workers import WorkerFailure
from tests.builders import make_message


class SlowReader:
    """A reader that can't read the whole in time, and can or can't read the text."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.limits: list[Any] = []

    def call(self, _: str, raw: bytes, limits: Any, *, seconds: float, **_more: Any) -> Any:
        self.limits.append(limits)
        if len(self.limits) <= self.failures:
            raise WorkerFailure("timed_out", f"after {seconds} s")
        return extract_evidence(raw, limits)


def test_the_text_is_read_where_the_whole_takes_too_long():
    reader = SlowReader(failures=1)
    evidence = read_evidence(reader, make_message(body="https://crt.sh/?id=5"))  # type: ignore[arg-type]

    assert evidence.values_of("crtsh_id") == ("5",)
    assert evidence.limits_hit == (f"reading it timed out; {READ_AGAIN}",)
    assert reader.limits[1] == LIGHT


def test_a_message_that_cannot_be_read_at_all_keeps_its_headers():
    evidence = read_evidence(SlowReader(failures=2), make_message(message_id="<a@b.example>"))  # type: ignore[arg-type]

    assert (evidence.kind, evidence.message_ids) == ("unparsed", ("<a@b.example>",))
    assert evidence.limits_hit == ("reading it timed out",)


@pytest.mark.parametrize("name", ["archive_depth", "documents"])
def test_the_second_reading_opens_nothing(name):
    assert not getattr(LIGHT, name)
