"""Linting in worker processes with limits: as many as there are cores, several certificates a call.

A batch that fails is done again one certificate and one linter at a time, so that what hangs or
crashes is the only thing that was not checked.

Source: BR 4.3.1.2.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Self

from intake.certificates.findings import Examination, LintResult, State
from intake.certificates.kinds import CERTIFICATE
from intake.certificates.linters import BUILT_IN
from intake.certificates.linting import FOR_LISTS, built_in_versions
from intake.workers import Worker, WorkerFailure

MEMORY_BYTES = 1 << 30  # address space of each worker
SECONDS = 20.0  # for one certificate and one linter
BATCH_SECONDS = 10.0
AT_ONCE = 16  # certificates in a call: a call costs what a tenth of a certificate does
LARGE = 64 * 1024  # bytes; a larger one is linted by itself
MOST_WORKERS = 4
WARM_UP = "intake.certificates.linting:warm_up_worker"
BE_MODEST = "intake.certificates.linting:be_modest"
EXAMINE_EACH = "intake.certificates.linting:examine_each"


@dataclass(frozen=True)
class LintTask:
    """One thing to lint, and by which linters."""

    der: bytes
    kind: str = CERTIFICATE
    wanted: tuple[str, ...] = BUILT_IN


class PoolClosedError(Exception):
    """The pool was closed while it linted."""


class LintPool:
    """Worker processes that lint; they start when there is something to do for them."""

    def __init__(self, *, for_long: bool, workers: int | None = None) -> None:
        """Prepare the workers.

        Args:
            for_long: get ready for the commonest profiles first; a second that a service has.
            workers: how many; as many as there are cores if not said, four at most.
        """
        count = workers or max(1, min(len(os.sched_getaffinity(0)), MOST_WORKERS))
        warm_up = WARM_UP if for_long else BE_MODEST
        self._workers = [Worker(memory_bytes=MEMORY_BYTES, warm_up=warm_up) for _ in range(count)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in reversed(self._workers):
            self._idle.put(worker)
        self._closed = threading.Event()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="lint")

    @property
    def size(self) -> int:
        """Return how many workers there are."""
        return len(self._workers)

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self.close()

    def close(self) -> None:
        """End the processes; what they are at is not checked."""
        self._closed.set()
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def lint(self, tasks: Sequence[LintTask], *, seconds: float = SECONDS) -> Iterator[Examination]:
        """Lint each; the results come in the order of the tasks, as soon as they are there.

        Raises:
            PoolClosedError: if the pool is closed meanwhile; what was not done is not checked.
        """
        batches = list(_batches(tasks))
        for found in self._threads.map(lambda batch: self._lint_batch(batch, seconds), batches):
            yield from found

    def _lint_batch(self, batch: Sequence[LintTask], seconds: float) -> list[Examination]:
        worker = self._idle.get()
        try:
            if len(batch) > 1 or len(batch[0].der) <= LARGE:
                try:
                    return self._examine(worker, batch, min(seconds, BATCH_SECONDS))
                except WorkerFailure:
                    pass  # one of them is to blame
            return [self._lint_alone(worker, task, seconds) for task in batch]
        finally:
            self._idle.put(worker)

    def _lint_alone(self, worker: Worker, task: LintTask, seconds: float) -> Examination:
        """Lint by one linter at a time, so that the others' results are kept."""
        applying = [one for one in task.wanted if task.kind == CERTIFICATE or one in FOR_LISTS]
        found: list[Examination] = []
        lost: list[LintResult] = []
        for name in applying:
            try:
                found += self._examine(worker, [replace(task, wanted=(name,))], seconds)
            except WorkerFailure as failure:
                lost.append(_not_checked(name, failure))
        order = {name: position for position, name in enumerate(BUILT_IN)}
        results = [result for one in found for result in one.results] + lost
        return Examination(
            hashlib.sha256(task.der).hexdigest(),
            task.kind,
            readable=all(one.readable for one in found),
            results=tuple(sorted(results, key=lambda one: order[one.linter])),
        )

    def _examine(
        self, worker: Worker, batch: Sequence[LintTask], seconds: float
    ) -> list[Examination]:
        arguments = [(one.der, one.kind, one.wanted) for one in batch]
        try:
            result: list[Examination] = worker.call(EXAMINE_EACH, arguments, seconds=seconds)
        except WorkerFailure:
            if self._closed.is_set():
                raise PoolClosedError from None
            raise
        return result


def _batches(tasks: Sequence[LintTask]) -> Iterator[list[LintTask]]:
    """Yield the tasks in order; a large one stands alone."""
    batch: list[LintTask] = []
    for task in tasks:
        is_large = len(task.der) > LARGE
        if batch and (is_large or len(batch) == AT_ONCE):
            yield batch
            batch = []
        if is_large:
            yield [task]
        else:
            batch.append(task)
    if batch:
        yield batch


def _not_checked(name: str, failure: WorkerFailure) -> LintResult:
    state: State = "timed_out" if failure.reason == "timed_out" else "failed"
    detail = f"{failure.reason}: {failure.detail}"
    return LintResult(name, built_in_versions()[name], None, state, detail=detail)
