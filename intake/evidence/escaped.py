"""Armour that stands in a text as it does in addresses and forms: `-----BEGIN%20CERTIFICATE-----%0A`.

Whoever pastes a request from a log or a browser pastes it so, and a key in it must not be shown.
"""

import re
from urllib.parse import unquote, unquote_plus

_BEGIN = r"-----BEGIN(?:%20|\+)[A-Z0-9%+]{1,60}?-----"
_BLOCK = re.compile(rf"{_BEGIN}[A-Za-z0-9%+/=_.,:\r\n]++-----END(?:%20|\+)[A-Z0-9%+]{{1,60}}?-----")


def unescaped(text: str) -> str:
    """Return a text with such blocks undone; all that stands after them keeps its place."""
    if "BEGIN%20" not in text and "BEGIN+" not in text:
        return text
    return _BLOCK.sub(lambda match: _undone(match[0]).ljust(len(match[0])), text)


def _undone(block: str) -> str:
    return unquote_plus(block) if block.startswith("-----BEGIN+") else unquote(block)
