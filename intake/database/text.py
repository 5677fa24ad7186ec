"""Text that every database takes: no NUL and no lone surrogates.

PostgreSQL refuses NUL in text, neither database takes half a surrogate pair, and mail holds both.
The engine replaces them in whatever it sends, in values stored and values sought alike, so that
what was stored under such a text is found by it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

REPLACEMENT = "\ufffd"
LONGEST_KEY_BYTES = (
    2000  # in UTF-8; an index of PostgreSQL takes 2,704 a row, other columns included
)
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """Return the text with a replacement character for what no database keeps."""
    if "\x00" not in text:
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            pass
        else:
            return text
    return _UNKEEPABLE.sub(REPLACEMENT, text)


def storable_parameters(value: Any) -> Any:  # noqa: ANN401 - whatever a driver is given
    """Return a statement's parameters with every text in them storable."""
    return _storable(value) if _needs_care((value,)) else value


def _needs_care(values: Iterable[Any]) -> bool:
    """Say whether a text may not be storable; this stands on the way of every statement."""
    for value in values:
        kind = value.__class__
        if kind is str:
            if "\x00" in value or not value.isascii():
                return True
        elif kind is tuple or kind is list:
            if _needs_care(value):
                return True
        elif kind is dict and _needs_care(value.values()):
            return True
    return False


def _storable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {name: _storable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_storable, value))
    return value
