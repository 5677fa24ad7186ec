"""What servers answer, in all the forms that `imaplib` hands out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.reconcile.answers import (
    Listed,
    quote,
    read_bodies,
    read_list,
    read_namespaces,
    read_uids,
    readable,
    to_read,
    to_wire,
    unquote,
)


def folder(name: str, *attributes: str, separator: str = "/") -> Listed:
    return Listed(name, to_wire(name), separator, frozenset(attributes))


@pytest.mark.parametrize(
    ("line", "name", "wire"),
    [
        (rb'(\HasNoChildren) "/" INBOX', "INBOX", b"INBOX"),
        (rb'(\HasNoChildren) "." "INBOX.My folder"', "INBOX.My folder", b"INBOX.My folder"),
        (rb'(\Junk) "/" "a \"b\" \\ c"', r'a "b" \ c', rb'a "b" \ c'),
        (rb'() NIL "flat"', "flat", b"flat"),
        ((rb'(\Marked) "/" {5}', b"a\nb\\c"), "a\nb\\c", b"a\nb\\c"),
        (b'() "/" Entw&APw-rfe', "Entwürfe", b"Entw&APw-rfe"),
        (b'() "/" "R&-D"', "R&D", b"R&-D"),
        (b'() "/" "&broken"', "&broken", b"&broken"),
    ],
)
def test_lines_of_list(line: object, name: str, wire: bytes) -> None:
    (found,) = read_list([line])

    assert (found.name, found.wire) == (name, wire)


def test_attributes_are_compared_without_their_case() -> None:
    (found,) = read_list([rb'(\HasNoChildren \Junk) "\\" Spam'])

    assert found.attributes == {"\\hasnochildren", "\\junk"}
    assert found.separator == "\\"


def test_what_is_no_line_of_list_is_passed_over() -> None:
    assert read_list([None, b"", b"nonsense", b")"]) == []


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30))
def test_every_name_goes_there_and_back(name: str) -> None:
    assert readable(to_wire(name)) == name


@given(st.binary(max_size=30))
def test_reading_a_name_never_fails(wire: bytes) -> None:
    readable(wire)


@given(st.binary(max_size=20).filter(lambda text: b"\r" not in text and b"\n" not in text))
def test_what_is_quoted_comes_back(text: bytes) -> None:
    assert unquote(quote(text)) == text


def test_other_namespaces_have_prefixes() -> None:
    data = [rb'(("" "/")) (("Other Users/" "/")) (("Public" NIL))']

    assert read_namespaces(data) == [b"Other Users/", b"Public"]


def test_uids_are_read_and_other_lines_passed_over() -> None:
    data = [b"1 (UID 5)", b"2 (UID 7 FLAGS (\\Seen))", b"3 (FLAGS (\\Seen))", None, b")"]

    assert read_uids(data) == [5, 7]


def test_bodies_come_with_their_uid_before_or_behind_them() -> None:
    data = [
        (b"1 (UID 5 BODY[] {3}", b"abc"), b")",
        (b"2 (BODY[] {3}", b"def"), b" UID 7)",
        (b"3 (UID 9 BODY[]<0> {1}", b"x"), b" FLAGS (\\Seen))",
    ]  # fmt: skip

    assert read_bodies(data) == {5: b"abc", 7: b"def", 9: b"x"}


def test_a_body_that_is_quoted_or_nil() -> None:
    data = [rb'1 (UID 5 BODY[] "a \"b\"")', b"2 (UID 7 BODY[] NIL)", rb'3 (UID 9 BODY[]<4> "")']

    assert read_bodies(data) == {5: b'a "b"', 9: b""}


def test_text_that_looks_like_an_answer_is_only_text() -> None:
    data = [(b"1 (UID 5 BODY[] {30}", b"2 (UID 7 BODY[] {3}\r\nabc)\r\n"), b")"]

    assert read_bodies(data) == {5: b"2 (UID 7 BODY[] {3}\r\nabc)\r\n"}


@given(st.lists(st.one_of(st.none(), st.binary(), st.tuples(st.binary(), st.binary()))))
def test_no_answer_breaks_the_reading(data: list[object]) -> None:
    read_bodies(data)
    read_uids(data)
    read_list(data)


# ---- which folders -----------------------------------------------------------------------------


def names(*folders: Listed, skip: tuple[str, ...] = ()) -> list[str]:
    return [one.name for one in to_read(folders, skip)]


def test_all_folders_but_drafts_sent_and_what_can_not_be_opened() -> None:
    assert names(
        folder("INBOX"),
        folder("Junk", "\\junk"),
        folder("Entwürfe", "\\drafts"),
        folder("Gesendet", "\\sent"),
        folder("Parent", "\\noselect"),
        folder("Gone", "\\nonexistent"),
        folder("Sent"),  # somebody's own: the real one has the attribute
    ) == ["INBOX", "Junk", "Sent"]


def test_drafts_and_sent_by_name_where_no_folder_has_the_attribute() -> None:
    assert names(
        folder("INBOX"),
        folder("Sent Items"),
        folder("INBOX/Drafts"),
        folder("Clients/Sent"),
        folder("INBOX/Clients/Sent"),
    ) == ["Clients/Sent", "INBOX", "INBOX/Clients/Sent"]


def test_skipped_folders_by_either_form_of_their_name() -> None:
    assert names(folder("Müll"), folder("Alt"), folder("inbox"), skip=("M&APw-ll", "Alt")) == [
        "inbox"
    ]
    assert names(folder("inbox"), skip=("INBOX",)) == []
