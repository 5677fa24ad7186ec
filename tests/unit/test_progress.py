"""The progress bar: on a terminal only, with count, rate and time left."""

import io
import sys

import pytest

from intake.cli.progress import progress


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_shown_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")

    with progress("verifying", 100) as advance:
        for _ in range(10):
            advance(10)

    shown = terminal.getvalue()
    assert "verifying" in shown
    assert "100/100" in shown
    assert "a second" in shown
    assert ":" in shown.rsplit("a second", 1)[1]


def test_nothing_is_shown_anywhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    with progress("verifying", 100) as advance:
        advance(100)

    assert stream.getvalue() == ""
