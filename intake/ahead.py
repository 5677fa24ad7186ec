"""Having the next thing made while the one before it is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterator[T], name: str) -> Iterator[T]:
    """Yield items while the next one is being made in a thread of its own.

    Args:
        items: none of them is None; what making one raises is raised here.
        name: of the thread, as it shows in lists of them.
    """
    with ThreadPoolExecutor(1, thread_name_prefix=name) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
