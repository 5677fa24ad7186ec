"""One step of the service that is done again and again, and what happens when it fails."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from intake.database import is_environment_error
from intake.errors import OutsideUnavailableError
from intake.logs import describe

logger = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS = 60.0
ALARM_AFTER_SECONDS = 60.0  # of the same step failing: a restart of the database is no alarm
ALARM_EVERY_SECONDS = 3600.0

Alarm = Callable[[str], None]


def no_alarm(_: str) -> None:
    """Tell nobody: for steps whose trouble is told in another way."""


def no_guard() -> None:
    """Let every piece of work begin."""


def no_recovery() -> None:
    """Leave everything as it is: for steps that hold nothing while they work."""


@dataclass
class Loop:
    """A step in a thread of its own; it goes on for ever, whatever it meets.

    What fails is logged once for each change of state. When the machine itself is at fault (disk
    full, database gone) nothing can be written down, so `alarm` is called directly, and again
    every hour.
    """

    name: str
    work: Callable[[], object]  # what is true when done goes on at once
    every: float  # seconds to wait when there was nothing to do
    after: Callable[[], None] = lambda: None  # wakes the next step
    alarm: Alarm = no_alarm
    guard: Callable[[], None] = no_guard  # raises while this process may not work
    recover: Callable[[], None] = no_recovery  # before the first work after a fault of the machine
    monotonic: Callable[[], float] = time.monotonic
    wake: threading.Event = field(default_factory=threading.Event)
    trouble: str | None = None
    trouble_since: float | None = None  # monotonic
    failures: int = 0
    last_done: float | None = None  # monotonic
    _alarmed_at: float | None = None
    _was_cut_off: bool = False

    def run(self, stopping: threading.Event) -> None:
        """Work until the service stops."""
        while not stopping.is_set():
            wait = self.once()
            if wait > 0 and not stopping.is_set():
                self.wake.wait(wait)
            self.wake.clear()

    def once(self) -> float:
        """Do the step once; return how many seconds to wait before the next time."""
        try:
            self.guard()
            if self._was_cut_off:
                self.recover()
                self._was_cut_off = False
            found = self.work()
        except Exception as error:  # noqa: BLE001 - the service's loop: say it, back off, go on
            return self._failed(error)
        self.last_done = self.monotonic()
        if self.trouble is not None:
            logger.info("%s works again after %d failures", self.name, self.failures)
            if self._alarmed_at is not None:
                self.alarm(f"{self.name} works again. Nothing was lost.")
        self.trouble, self.trouble_since, self.failures, self._alarmed_at = None, None, 0, None
        if found:
            self.after()
            return 0
        return self.every

    def _failed(self, error: Exception) -> float:
        text = describe(error)
        is_environment = is_environment_error(error)
        self._was_cut_off |= is_environment
        if text != self.trouble:
            expected = is_environment or isinstance(error, OutsideUnavailableError)
            logger.error("%s: %s; trying again", self.name, text, exc_info=not expected)
        self.trouble_since = self.trouble_since if self.trouble else self.monotonic()
        self.trouble = text
        self.failures += 1
        if not isinstance(error, OutsideUnavailableError):
            self._sound_alarm()
        return min(2.0 ** min(self.failures - 1, 10), LONGEST_BACKOFF_SECONDS, max(self.every, 1))

    def _sound_alarm(self) -> None:
        now = self.monotonic()
        since = now if self.trouble_since is None else self.trouble_since
        if now - since < ALARM_AFTER_SECONDS:
            return
        if self._alarmed_at is not None and now - self._alarmed_at < ALARM_EVERY_SECONDS:
            return
        self._alarmed_at = now
        minutes = int((now - since) // 60)
        self.alarm(
            f"The intake of problem reports is in trouble: {self.name} has failed for {minutes} "
            f"min: {self.trouble}. Nothing is lost, it is tried again, but nobody may be told of "
            "new reports meanwhile. Next: look at the disk and the database of the mail host, "
            "then at the log: journalctl -u intake"
        )
