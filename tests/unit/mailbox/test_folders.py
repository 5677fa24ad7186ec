"""All selectable folders but Drafts and Sent are read, and Junk is known by attribute or name."""

import pytest

from intake.mailbox.folders import ListedFolder, choose_folders


def listed(name: str, *attributes: str, separator: str = "/") -> ListedFolder:
    return ListedFolder(name, name, separator, frozenset(attributes))


def chosen(
    *folders: ListedFolder, junk: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> dict[str, bool]:
    return {one.name: one.is_junk for one in choose_folders(folders, junk=junk, skip=skip)}


def test_inbox_comes_first_then_junk_then_the_rest() -> None:
    found = chosen(listed("Archive"), listed("Spam"), listed("inbox"), listed("A"))

    assert list(found) == ["inbox", "Spam", "A", "Archive"]


def test_drafts_and_sent_are_left_out_by_attribute() -> None:
    found = chosen(
        listed("Gesendet", "\\sent"), listed("Entwürfe", "\\drafts"), listed("All Mail", "\\all")
    )

    assert list(found) == ["All Mail"]


@pytest.mark.parametrize("name", ["Sent", "drafts", "Sent Items", "INBOX.Sent"])
def test_names_count_where_the_server_names_none(name: str) -> None:
    assert chosen(listed(name, separator=".")) == {}


def test_a_folder_called_sent_is_read_where_another_one_is_it() -> None:
    found = chosen(listed("Sent"), listed("Outgoing", "\\sent"), listed("Reports/Sent"))

    assert set(found) == {"Sent", "Reports/Sent"}


def test_folders_that_hold_no_mail_are_left_out() -> None:
    assert chosen(listed("[Gmail]", "\\noselect"), listed("Ghost", "\\nonexistent")) == {}


def test_configured_folders_are_left_out() -> None:
    assert chosen(listed("A"), listed("INBOX"), listed("a"), skip=("A", "Inbox")) == {"a": False}


@pytest.mark.parametrize(
    "folder",
    [listed("X", "\\junk"), listed("Junk"), listed("INBOX.Spam", separator="."), listed("Junk E-mail"),
     listed("Spam/2026"), listed("Pourriel")],
)  # fmt: skip
def test_junk_is_known_by_attribute_name_or_configuration(folder: ListedFolder) -> None:
    assert chosen(folder, junk=("Pourriel",)) == {folder.name: True}


def test_mail_about_junk_is_no_junk() -> None:
    assert chosen(listed("Junk food reports")) == {"Junk food reports": False}
