"""Something that a text names: a certificate, a key, a domain, a link, or hex that fits nothing."""

from typing import NamedTuple


class Named(NamedTuple):
    """One name in a text; kinds as in `Identifier`, and "hex", "domain" and "url"."""

    kind: str
    value: str
    offset: int
    named_as: str
