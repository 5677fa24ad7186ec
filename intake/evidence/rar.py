"""RAR archives, by the library `rars`, where it is installed.

It is written in a language that keeps memory safe and has limits of its own; what it raises beyond
its own errors (a panic) is taken for a damaged archive.
"""

from collections.abc import Iterator
from typing import Any

from intake.evidence.values import MIB

try:
    import rars
except ImportError:  # the extra `rar` is not installed
    rars = None

DICTIONARY, WORKSPACE = 64 * MIB, 128 * MIB
MOST_FIELDS = 4  # of a header for each member
TOO_LARGE = "unpacks to more than is allowed"
IN_PIECES = "goes on in another file of the archive"


class RarLockedError(Exception):
    """It is locked with a password, and this was not it."""


class RarError(Exception):
    """It can't be read; says why."""


def is_there() -> bool:
    """Say whether the library is installed."""
    return rars is not None


def read_rar(
    data: bytes, *, password: str | None, most_bytes: int, most_members: int
) -> Iterator[tuple[str, bytes, str | None, int]]:
    """Yield the name of each file, its content, why that is missing, and its size when packed.

    Raises:
        RarLockedError: if a password is needed and this is not it.
        RarError: if it is damaged or of a kind that is not read.
    """
    if most_bytes <= 0:
        raise RarError(TOO_LARGE)
    limits = rars.ReadOptions(
        max_member_output_bytes=most_bytes, max_total_output_bytes=most_bytes,
        max_reader_workspace_bytes=WORKSPACE, rar50_dictionary_size_limit=DICTIONARY,
        max_header_count=MOST_FIELDS * most_members + 100,
    )  # fmt: skip
    try:
        archive = _tried(rars.RarFile.from_bytes, data, password, options=limits)
        members = _tried(archive.infolist)
    except (MemoryError, KeyError) as error:
        raise RarError(type(error).__name__) from error
    for info in members:
        if not info.is_dir():
            yield from _member(archive, info, limits)


def _member(archive: Any, info: Any, limits: Any) -> Iterator[tuple[str, bytes, str | None, int]]:  # noqa: ANN401 - the library's
    content, missing = b"", None
    if info.is_split_before or info.is_split_after:
        missing = IN_PIECES
    else:
        try:
            content = _tried(archive.read, info, options=limits)
        except MemoryError:
            missing = TOO_LARGE
        except KeyError:  # a link has no content
            return
        except RarError as error:
            missing = f"can't be unpacked ({error})"
    yield info.filename, content, missing, info.compress_size


def _tried(call: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - calls of the library
    try:
        return call(*arguments, **options)
    except (rars.PasswordRequired, rars.BadPassword) as error:
        raise RarLockedError from error
    except rars.Error as error:
        raise RarError(type(error).__name__) from error
    except (MemoryError, KeyError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise RarError(type(error).__name__) from error
