"""Text, links and attached files of PDF documents."""

import io
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from intake.evidence.tnef import Content

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

MAGIC = b"%PDF-"
MAGIC_WITHIN = 1024  # bytes; something may stand before it
MOST_PAGES = 200
LARGEST_PAGE = 2 * 1024 * 1024  # bytes that draw one page: more takes too long to read
LARGEST_TEXT = 4 * 1024 * 1024
MOST_LINKS = 5000
MOST_PASSWORDS = 30


class PdfError(Exception):
    """A PDF that can't be read; says why."""


class PdfLockedError(PdfError):
    """A PDF that opens with none of the passwords."""


def read_pdf(data: bytes, passwords: Iterable[str] = ()) -> tuple[list[Content], list[str]]:
    """Return text and attachments of a document, and what of it was left out, in words.

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
        return _contents(reader, broken)
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
    reader: "PdfReader", broken: tuple[type[Exception], ...]
) -> tuple[list[Content], list[str]]:
    left_out: list[str] = []
    pieces: list[str] = []
    size = 0
    for number, page in enumerate(reader.pages):
        if number >= MOST_PAGES or size > LARGEST_TEXT:
            left_out.append("a PDF file longer than is read")
            break
        try:
            text = "\n".join([_text(page, left_out), *_links(page)])
        except broken:
            left_out.append("a page of a PDF file that can't be read")
            continue
        size += len(text)
        pieces.append(text)
    found = [Content(data="\n".join(pieces).encode("utf-8", "replace"), media_type="text/plain")]
    return [*found, *_attachments(reader, broken)], left_out


def _text(page: "PageObject", left_out: list[str]) -> str:
    contents = page.get_contents()
    if contents is not None and len(contents.get_data()) > LARGEST_PAGE:
        left_out.append("a page of a PDF file too large to be read")
        return ""
    return page.extract_text()


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
