"""The minimal walk over DER: what it opens, what it refuses."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.certificates.der import (
    DerError,
    decode_integer,
    decode_oid,
    element_at,
    split_certificate,
)


def test_an_indefinite_length_ends_at_its_end_of_contents():
    element = element_at(bytes.fromhex("3080 0201 05 0000 ff"), 0, 8)

    assert element.content == bytes.fromhex("020105")
    assert element.end == 7


def test_a_length_written_too_long_is_read():
    assert element_at(bytes.fromhex("0483000001aa"), 0, 6).content == b"\xaa"


@pytest.mark.parametrize("text", ["", "30", "3005 0201", "30 85 0100000000", "3080 0201 05", "1f"])
def test_what_does_not_fit_is_refused(text):
    data = bytes.fromhex(text)

    with pytest.raises(DerError):
        element_at(data, 0, len(data))


def test_nesting_without_end_is_refused_quickly():
    data = b"\x30\x80" * 100_000

    with pytest.raises(DerError, match="deeply"):
        element_at(data, 0, len(data))


@pytest.mark.parametrize(
    ("content", "text"),
    [("2a864886f70d01010b", "1.2.840.113549.1.1.11"), ("8837", "2.999"), ("", "?"), ("ff", "?")],
)
def test_object_identifiers_are_written_with_dots(content, text):
    assert decode_oid(bytes.fromhex(content)) == text


@pytest.mark.parametrize(("content", "number"), [("00ff", 255), ("ff01", -255), ("", 0)])
def test_integers_are_signed(content, number):
    assert decode_integer(bytes.fromhex(content)) == number


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_parts_or_the_one_error(data):
    with suppress(DerError):
        split_certificate(data)
