"""Message-IDs are found however malformed, and read from whatever people paste."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.archive.message_id import ids_in, normalise, parse_query, scan_message_ids

SEED = "<A7B38FB3-EC73-444F-9DD8-78A9A784CAE5@titanous.com>"

local = st.text("abcXYZ019.+-_=/$%~!#&'*?^`{|}", min_size=1, max_size=40)
domain = st.text("abcXYZ019.-", min_size=1, max_size=20).filter(lambda one: one[-1] not in ".-")
plain_ids = st.builds("{}@{}".format, local.filter(lambda one: one[0] not in "'`{"), domain)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"Message-ID: <a@b>", ["<a@b>"]),
        (b"MESSAGE-ID:<a@b>", ["<a@b>"]),
        (b"Message-Id : <a@b>", ["<a@b>"]),
        (b"message-id:\t <a@b> \t", ["<a@b>"]),
        (b"Message-ID: no-brackets id@x", ["no-brackets id@x"]),
        (b"Message-ID: <[ABCDEF====@microsoft.com]>", ["<[ABCDEF====@microsoft.com]>"]),
        (b"Message-ID: <a\xe91@x>", ["<a\xe91@x>"]),
        (b"Message-ID: <a\x00b@x>", ["<a\x00b@x>"]),
        (b"Message-ID: <a@b> (added by postmaster@c)", ["<a@b> (added by postmaster@c)"]),
        (b"Message-ID: <a@b> <c@d>", ["<a@b>", "<c@d>"]),
        (b"Message-ID: <a@b", ["<a@b"]),
        (b"Message-ID:", []),
        (b"Message-ID: <>", []),
        (b"Message-ID:  \t ", []),
        (b"X-Message-ID: <a@b>\r\nResent-Message-ID: <c@d>", []),
        (b"Subject: about\r\n Message-ID: <folded@subject>", []),
    ],
)
def test_the_value_is_taken_as_it_stands(header: bytes, found: list[str]) -> None:
    assert scan_message_ids(b"From: a@b\r\n" + header + b"\r\nTo: c@d\r\n\r\nbody") == found


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_p05_any_line_end_and_folding_is_read(end: bytes) -> None:
    raw = end.join(
        [b"From: a@b", b"Message-ID:", b"   <x", b"\ty@z>  ", b"", b"Message-ID: <body@x>"]
    )

    assert scan_message_ids(raw) == ["<x\ty@z>"]
    assert normalise("<x\ty@z>") == "xy@z"


def test_p06_two_headers_give_both() -> None:
    raw = b"Message-ID: <one@x>\r\nSubject: s\r\nMessage-Id: <two@x>\r\nmessage-id: <one@x>\r\n\r\n"

    assert scan_message_ids(raw) == ["<one@x>", "<two@x>"]


def test_p07_an_id_of_900_signs_is_whole() -> None:
    long = f"<{'a' * 890}@example>"

    assert scan_message_ids(f"Message-ID: {long}\r\n\r\n".encode()) == [long]


@pytest.mark.parametrize(
    "top",
    [
        b"From rita@x Tue Nov 24 11:00:00 2026\n",
        b"\r\n\r\n",
        b"a line without a colon\r\n",
        b": no name\r\n",
        b"Subject: x\r\n \r\n",
    ],
)
def test_odd_lines_above_do_not_end_the_header(top: bytes) -> None:
    assert scan_message_ids(top + b"Message-ID: <a@b>\n\nbody") == ["<a@b>"]


def test_the_body_is_not_searched() -> None:
    assert scan_message_ids(b"Subject: x\r\n\r\nMessage-ID: <a@b>\r\n") == []


def test_an_enormous_header_costs_little() -> None:
    raw = b"X: " + b"a" * 3_000_000 + b"\r\nMessage-ID: <late@x>\r\n\r\n"

    assert scan_message_ids(raw) == []
    assert scan_message_ids(b"Message-ID: <a@b>\r\n" + b" \r\n" * 400_000) == ["<a@b>"]


@given(st.binary(max_size=400))
def test_any_bytes_give_a_list(raw: bytes) -> None:
    assert all(normalise(one) for one in scan_message_ids(raw))


@given(
    st.lists(
        st.sampled_from([b"Message-ID", b":", b" ", b"\t", b"\r", b"\n", b"<a@b>", b"\x00", b"x"]),
        max_size=40,
    )
)
def test_any_mixture_of_header_parts_gives_a_list(parts: list[bytes]) -> None:
    scan_message_ids(b"".join(parts))


@given(plain_ids)
def test_an_id_in_a_header_is_found_again(plain: str) -> None:
    [original] = scan_message_ids(f"Message-ID: <{plain}>\r\n\r\n".encode())

    assert normalise(original) == plain
    assert parse_query(original) == plain


@pytest.mark.parametrize(
    "pasted",
    [
        SEED,
        SEED[1:-1],
        f"  {SEED}\n",
        f"Message-ID: {SEED}",
        f"Message-Id:{SEED}\r\n",
        f"message-id:\r\n {SEED}",
        "<A7B38FB3-EC73-444F-9DD8-78A9A784CAE5@\r\n titanous.com>",
        quote(SEED, safe=""),
        f"mid:{SEED[1:-1]}",
        "mid:A7B38FB3-EC73-444F-9DD8-78A9A784CAE5%40titanous.com",
        f"mailto:{SEED[1:-1]}",
        f"message://{quote(SEED, safe='')}",
        f'"{SEED}"',
        f"`{SEED[1:-1]}`",
        f"({SEED[1:-1]}).",
        f"{SEED[1:-1]}.",
        f"{SEED[1:-1]},",
        f"what became of {SEED}, please?",
        f"message-id={SEED}",
        f"In-Reply-To: {SEED}",
        f"References: {SEED}",
    ],
)
def test_p05_every_pasted_form_is_read(pasted: str) -> None:
    assert parse_query(pasted) == SEED[1:-1]


def test_percent_signs_of_an_id_itself_stay() -> None:
    assert parse_query("<a%40b%3C@x.example>") == "a%40b%3C@x.example"


@given(plain_ids)
def test_a_percent_encoded_id_is_read(plain: str) -> None:
    assert parse_query(quote(f"<{plain}>", safe="")) == plain


@given(st.text(max_size=200))
def test_any_text_is_a_query(text: str) -> None:
    assert not any(sign.isspace() for sign in parse_query(text))


def test_p52_ids_in_references_are_found_in_order() -> None:
    value = "<a@b>\r\n <c@d> (was: <e@f>) <no-at> <g\r\n\th@i> <a@b>"

    assert ids_in(value) == ["<a@b>", "<c@d>", "<e@f>", "<gh@i>"]


@given(st.text("<>@a \r\n", max_size=100))
def test_ids_in_is_total(text: str) -> None:
    assert all(one.startswith("<") and "@" in one for one in ids_in(text))


@given(st.text("<>@ab. \t\x00\xa0\u2003é", max_size=12) | plain_ids.map("<{}>".format))
def test_an_id_is_read_the_same_with_blanks_around_it(text: str) -> None:
    assert ids_in(text) == ids_in(f"{text} ")
    assert normalise(text) == normalise(f"{text} ")


@pytest.mark.parametrize("text", [f"<{'a' * 2001}@b>", f"<a@{'b' * 2001}>"])
def test_what_is_too_long_is_no_id_among_others(text: str) -> None:
    assert ids_in(text) == ids_in(f"{text} ") == []
