"""X.501 names as text, also where their strings break their own type.

Source: RFC 4514 2.
"""

import re
from collections.abc import Iterator

from intake.certificates.der import OID, DerError, Element, decode_oid

SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
ENCODINGS = {
    0x0C: "utf-8",
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody uses it
    0x16: "latin-1",  # IA5String
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
Attribute = tuple[str, str | bytes]  # type with dots; text, or the whole element if it is no text


def render_name(name: Element) -> str:
    """Write a name as RFC 4514 does, its last part first; never raises.

    Bytes that a string's type does not allow become U+FFFD.
    """
    return ",".join("+".join(map(_render, group)) for group in reversed(list(_groups(name))))


def render_groups(groups: list[list[Attribute]]) -> str:
    """Write relative distinguished names, in the order of the certificate, as RFC 4514 does."""
    return ",".join("+".join(map(_render, group)) for group in reversed(groups))


def _groups(name: Element) -> Iterator[list[Attribute]]:
    try:
        for group in name.children():
            yield [_attribute(attribute) for attribute in group.children()]
    except DerError:
        return


def _attribute(element: Element) -> Attribute:
    kind, value = "?", None
    for child in element.children():
        if child.tag == OID and kind == "?":
            kind = decode_oid(child.content)
        else:
            value = child
    if value is None:
        return kind, b""
    encoding = ENCODINGS.get(value.tag)
    return kind, value.content.decode(encoding, "replace") if encoding else value.whole


def _render(attribute: Attribute) -> str:
    kind, value = attribute
    text = f"#{value.hex()}" if isinstance(value, bytes) else _escape(value)
    return f"{SHORT_NAMES.get(kind, kind)}={text}"


def _escape(text: str) -> str:
    text = re.sub(r'([\\",+;<>])', r"\\\1", text).replace("\0", "\\00")
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if text.endswith(" ") and len(text) > 1 else text
