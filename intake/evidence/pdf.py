"""Text, links and attached files of PDF documents."""

import io
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from intake.evidence.containers import Allowance
from intake.evidence.tnef import Content

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

MAGIC = b"%PDF-"
MAGIC_WITHIN = 1024  # bytes; something may stand before it
MOST_PAGES = 200
LARGEST_PAGE = 1536 * 1024  # bytes that draw it: more takes too long to read
MOST_LINKS = 5000
MOST_PASSWORDS = 30


class PdfError(Exception):
    """A PDF that can't be read; says why."""


class PdfLockedError(PdfError):
    """A PDF that opens with none of the passwords."""


def read_pdf(data: bytes, allowance: Allowance, passwords: Iterable[str] = ()) -> list[Content]:
    """Return text and attachments of a document; what is left out is noted with the allowance.

    Raises:
        PdfError: with the reason why it can't be read.
    """
    from pypdf import PdfReader  # noqa: PLC0415 - it is slow to load, and few reports bring a PDF
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    broken = (PyPdfError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
              OSError, NotImplementedError, AssertionError)  # fmt: skip
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted:
            _unlock(reader, passwords)
        return _contents(reader, allowance, broken)
    except broken as error:
        reason = f"a PDF file that can't be read ({type(error).__name__})"
        raise PdfError(reason) from error


def _unlock(reader: "PdfReader", passwords: Iterable[str]) -> None:
    for count, password in enumerate(["", *passwords]):
        if count > MOST_PASSWORDS:
            break
        if reader.decrypt(password):
            return
    reason = "a PDF file, which is locked with a password"
    raise PdfLockedError(reason)


def _contents(
    reader: "PdfReader", allowance: Allowance, broken: tuple[type[Exception], ...]
) -> list[Content]:
    pieces: list[str] = []
    for number, page in enumerate(reader.pages):
        if number >= MOST_PAGES or allowance.drawing <= 0:
            allowance.note("a PDF file is longer than is read")
            break
        try:
            pieces += [_text(page, allowance), *_links(page)]
        except broken:
            allowance.note("a page of a PDF file can't be read")
    text = Content(data="\n".join(pieces).encode("utf-8", "replace"), media_type="text/plain")
    return [text, *_attachments(reader, broken)]


def _text(page: "PageObject", allowance: Allowance) -> str:
    drawn = _drawn(page)
    if drawn > LARGEST_PAGE:
        allowance.note("a page of a PDF file is too large to be read")
        return ""
    allowance.drawing -= drawn
    return page.extract_text()


def _drawn(page: "PageObject") -> int:
    """Return how many bytes draw a page."""
    reference: Any = page.get("/Contents")
    contents = reference.get_object() if reference is not None else []
    streams = contents if isinstance(contents, list) else [contents]
    return sum(len(one.get_object().get_data()) for one in streams)


def _links(page: "PageObject") -> Iterator[str]:
    for reference in list(page.get("/Annots") or [])[:MOST_LINKS]:
        annotation: Any = reference.get_object()
        action: Any = annotation.get("/A") if hasattr(annotation, "get") else None
        target = action.get_object().get("/URI") if action is not None else None
        if target is not None:
            yield str(target)


def _attachments(reader: "PdfReader", broken: tuple[type[Exception], ...]) -> list[Content]:
    try:
        return [
            Content(name, content)
            for name, contents in reader.attachments.items()
            for content in contents
        ]
    except broken:
        return []
