"""Which folders of a mailbox are read, and which of them are Junk.

All selectable folders but Drafts and Sent: spam folders, quarantines and folders of people's own
hold reports too. In doubt a folder is read.

Source: RFC 6154.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from intake.mailbox.folder import FolderInfo

NOT_READABLE = {"\\noselect", "\\nonexistent"}
# Names that count where the server names no folder of that kind by its attribute.
OUTGOING_NAMES = {
    "\\drafts": {"drafts"},
    "\\sent": {"sent", "sent items", "sent mail", "sent messages"},
}
JUNK_ATTRIBUTES = {"\\junk", "\\spam"}
JUNK_NAMES = {
    "junk",
    "junk e-mail",
    "junk email",
    "junk mail",
    "spam",
    "bulk",
    "bulk mail",
    "quarantine",
    "spamverdacht",
    "courrier indésirable",
}


@dataclass(frozen=True)
class ListedFolder:
    """A folder as the server lists it."""

    name: str
    wire: str
    separator: str
    attributes: frozenset[str]  # lower case

    def path(self) -> list[str]:
        """Return the parts of the name in lower case."""
        parts = self.name.split(self.separator) if self.separator else [self.name]
        return [part.casefold() for part in parts]


def choose_folders(
    listed: Sequence[ListedFolder], *, junk: Sequence[str], skip: Sequence[str]
) -> list[FolderInfo]:
    """Return the folders to read: INBOX first, then Junk, then the rest by name."""
    known = {attribute for folder in listed for attribute in folder.attributes}
    found = [
        FolderInfo(folder.name, folder.wire, is_junk=_is_junk(folder, junk))
        for folder in listed
        if not folder.attributes & NOT_READABLE
        and not _is_outgoing(folder, known)
        and not _is_named(folder, skip)
    ]
    return sorted(found, key=lambda one: (one.name.upper() != "INBOX", not one.is_junk, one.name))


def _is_outgoing(folder: ListedFolder, known: set[str]) -> bool:
    """Say whether a folder is Drafts or Sent.

    By name only at the top or right below INBOX, and only if no folder has the attribute: a folder
    that somebody made and called Sent beside the real one is read.
    """
    path = folder.path()
    at_top = len(path) == 1 or (len(path) == 2 and path[0] == "inbox")  # noqa: PLR2004
    for attribute, names in OUTGOING_NAMES.items():
        if attribute in folder.attributes:
            return True
        if attribute not in known and at_top and path[-1] in names:
            return True
    return False


def _is_junk(folder: ListedFolder, configured: Sequence[str]) -> bool:
    return (
        bool(folder.attributes & JUNK_ATTRIBUTES)
        or _is_named(folder, configured)
        or bool(JUNK_NAMES & set(folder.path()))
    )


def _is_named(folder: ListedFolder, names: Sequence[str]) -> bool:
    own = {_as_compared(folder.name), _as_compared(folder.wire)}
    return bool(own & {_as_compared(name) for name in names})


def _as_compared(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name  # the one name whose case does not count
