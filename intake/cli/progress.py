"""A progress bar on a terminal, with rate and time left; nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(
    doing: str, total: int | None, *, unit: str = "messages"
) -> Iterator[Callable[[int], None]]:
    """Yield what is called with how many more are done; None: nobody knows of how many."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + ", {task.fields[rate]:.0f} a second"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, rate=0.0)

        def advance(count: int) -> None:
            now = bar.tasks[0]
            done = now.completed + count
            bar.update(task, advance=count, rate=done / (now.elapsed or 1.0))

        yield advance
