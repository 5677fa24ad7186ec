"""Messages out of files, byte for byte: `.eml`, mbox, Maildir, folders of them.

An mbox is split where a line begins with `From ` after an empty line; one `>` is taken off quoted
`>From ` lines (mboxrd). Files are read as they are needed, never whole archives at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FROM = b"From "
MAIL_ENDINGS = {".eml", ".msg", ".mbox", ".mbx", ".mail"}
MAILDIR_FOLDERS = ("cur", "new")  # what lies in tmp is not delivered yet


@dataclass(frozen=True)
class MailFile:
    """A file that holds one message, or several as mbox."""

    path: Path
    size: int


@dataclass(frozen=True)
class FoundMail:
    """One message and where it was."""

    raw: bytes
    where: str


def find_mail_files(paths: Iterable[Path]) -> tuple[list[MailFile], list[Path]]:
    """Return the files that hold mail, and those of folders that were passed over.

    A file that is named is taken whatever it is called; in a folder its name must tell.
    """
    found: list[MailFile] = []
    passed_over: list[Path] = []
    for path in paths:
        if path.is_dir():
            _walk(path, found, passed_over)
        else:
            found.append(MailFile(path, path.stat().st_size))
    return found, passed_over


def _walk(folder: Path, found: list[MailFile], passed_over: list[Path]) -> None:
    is_maildir = all((folder / name).is_dir() for name in MAILDIR_FOLDERS)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if is_maildir and path.name in MAILDIR_FOLDERS:
                files = (one for one in sorted(path.iterdir()) if one.is_file())
                found.extend(MailFile(one, one.stat().st_size) for one in files)
            elif not (is_maildir and path.name == "tmp"):
                _walk(path, found, passed_over)
        elif path.suffix.casefold() in MAIL_ENDINGS:
            found.append(MailFile(path, path.stat().st_size))
        elif not is_maildir:  # beside cur and new lie only the server's own files
            passed_over.append(path)


def messages_in(file: MailFile) -> Iterator[FoundMail]:
    """Yield each message of a file, in order."""
    with file.path.open("rb") as stream:
        is_mbox = stream.read(len(FROM)) == FROM
        stream.seek(0)
        if not is_mbox:
            yield FoundMail(stream.read(), str(file.path))
            return
        for number, raw in enumerate(split_mbox(stream), start=1):
            yield FoundMail(raw, f"{file.path} message {number}")


def split_mbox(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the messages of an mbox, without its `From ` lines and the empty line before each."""
    message: list[bytes] | None = None
    after_empty = True
    for line in lines:
        if after_empty and line.startswith(FROM):
            if message is not None:
                yield _joined(message)
            message = []
        elif message is not None:
            is_quoted = line.startswith(b">") and line.lstrip(b">").startswith(FROM)
            message.append(line[1:] if is_quoted else line)
        after_empty = line in {b"\n", b"\r\n"}
    if message is not None:
        yield _joined(message)


def _joined(lines: list[bytes]) -> bytes:
    if lines and lines[-1] in {b"\n", b"\r\n"} and len(lines) > 1:
        lines = lines[:-1]  # the empty line that parts messages belongs to the mbox
    return b"".join(lines)
