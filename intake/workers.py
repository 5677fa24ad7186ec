"""Worker processes: where hostile bytes are read, with limits on memory and time.

A worker only reads and returns values. One that runs over a limit is ended and replaced; the
caller gets a `WorkerFailure` that says which limit it was. While it reads, nothing that it or its
libraries say reaches stderr, and so the journal: it may quote what they stumbled over.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from intake import garbage

GRACE_SECONDS = 2.0  # beyond the worker's own alarm
# A busy machine must not make a message unreadable: seconds are those of the processor, and by the
# clock on the wall it may take so many times as long.
PATIENCE = 4


class WorkerFailure(Exception):  # noqa: N818 - an expected outcome, kept apart from our errors
    """The work could not be done; `reason` is one of timed_out, out_of_memory, crashed, error."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason apart from the detail, which may hold no text from a mail."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Worker:
    """A process that calls named functions; safe to use from several threads, one at a time."""

    def __init__(self, *, memory_bytes: int, warm_up: str | None = None) -> None:
        """Prepare a worker; the process starts with the first call.

        Args:
            memory_bytes: address space that the process may use.
            warm_up: "module:function" to call once in each new process.
        """
        self._memory_bytes = memory_bytes
        self._warm_up = warm_up
        self._lock = threading.Lock()
        self._process: Any = None
        self._pipe: Connection | None = None

    def call(
        self,
        function: str,
        *arguments: Any,  # noqa: ANN401
        seconds: float,
        memory_bytes: int | None = None,
    ) -> Any:  # noqa: ANN401
        """Call "module:function" in the worker and return its value.

        Args:
            function: what to call.
            arguments: what it is given.
            seconds: of the processor that it may use.
            memory_bytes: of its own that it may use, the worker's included.

        Raises:
            WorkerFailure: if it ran out of time or memory, crashed, or raised.
        """
        with self._lock:
            pipe = self._started()
            try:
                pipe.send((function, arguments, seconds, memory_bytes))
                if not pipe.poll(PATIENCE * seconds + GRACE_SECONDS):
                    self._stop()
                    raise WorkerFailure("timed_out", f"took longer than {seconds:g} s")
                ok, value = pipe.recv()
            except (EOFError, OSError):
                raise self._died(seconds) from None
            if not ok and value[0] == "out_of_memory":
                self._stop()  # it may hold on to what it got
        if ok:
            return value
        raise WorkerFailure(*value)

    def start(self) -> None:
        """Start the process now, so that the first call does not wait for it."""
        with self._lock:
            self._started()

    def kill(self) -> None:
        """End the process whatever it is at; a call that waits for it fails."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _started(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self._stop()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._memory_bytes, self._warm_up), daemon=True
        )
        try:
            process.start()
        except OSError:  # too many open files: the machine's fault, and the next call tries again
            ours.close()
            raise
        finally:
            theirs.close()
        self._process, self._pipe = process, ours
        return ours

    def _died(self, seconds: float) -> WorkerFailure:
        process = self._process
        process.join(GRACE_SECONDS)
        code = process.exitcode
        self._stop()
        if code in (-signal.SIGALRM, -signal.SIGPROF):
            return WorkerFailure("timed_out", f"took longer than {seconds:g} s")
        return WorkerFailure("crashed", f"the worker process ended with {code}")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, memory_bytes: int, warm_up: str | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for alarm in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(alarm, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    if warm_up:
        _find(warm_up)()
    garbage.search_seldom()
    _fall_silent()
    while True:
        try:
            function, arguments, seconds, memory = pipe.recv()
        except (EOFError, OSError):
            return
        _allow(seconds, memory)
        answer = _answer(function, arguments)
        _allow(0, None)
        pipe.send(answer)


def _fall_silent() -> None:
    """Write stderr nowhere from now on, what native code writes too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _allow(seconds: float, memory_bytes: int | None) -> None:
    """Set what the next call may use; 0 and None for no limit but the worker's own."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most if memory_bytes is None else memory_bytes, most))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)


def _answer(function: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, _find(function)(*arguments)
    except MemoryError:
        return False, ("out_of_memory", "needed more memory than it may use")
    except RecursionError:
        return False, ("error", "is nested too deeply")
    except Exception as error:  # noqa: BLE001 - the boundary of the process; the type is enough
        return False, ("error", type(error).__name__)


def _find(name: str) -> Any:  # noqa: ANN401
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
