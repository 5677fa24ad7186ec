"""RAR archives of every age, locked ones, and hostile ones."""

import pytest
import rars
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence import rar
from intake.evidence.containers import Allowance, open_archive
from intake.evidence.extract import extract_evidence
from intake.evidence.values import Limits
from tests.unit.evidence.carriers import with_attachment

LINK = b"See https://crt.sh/?id=5 and tell us\n"
FORMATS = ["rar15", "rar20", "rar29", "rar40", "rar50", "rar70"]


def pack(content: bytes = LINK, name: str = "list.txt", **how) -> bytes:
    builder = rars.RarBuilder(**how)
    builder.add_bytes(content, name)
    return builder.to_bytes()


def shown(data: bytes, text: str = "see the archive"):
    return extract_evidence(with_attachment(data, "report.rar", text=text))


@pytest.mark.parametrize("form", FORMATS)
def test_a_link_is_found_in_rar_archives_of_every_age(form):
    evidence = shown(pack(format=form))

    assert evidence.values_of("crtsh_id") == ("5",)
    assert [one.part for one in evidence.identifiers] == ["1.2/report.rar/list.txt"]
    assert evidence.unreadable_parts == ()


@pytest.mark.parametrize("encrypt_headers", [True, False])
def test_a_locked_rar_archive_opens_with_the_password_of_the_text(encrypt_headers):
    data = pack(password="Geheim-7", encrypt_headers=encrypt_headers)

    assert shown(data, "The password is Geheim-7").values_of("crtsh_id") == ("5",)
    (part,) = shown(data, "The password comes by telephone").unreadable_parts
    assert "locked with a password that the message does not say" in part.reason


def test_a_bomb_is_not_unpacked_and_said_to_be_too_large():
    evidence = shown(pack(b"0" * 80_000_000))

    assert any("more bytes than are unpacked" in one for one in evidence.limits_hit)
    assert [one.reason for one in evidence.unreadable_parts] == [rar.TOO_LARGE]


def test_more_members_than_allowed_are_not_read():
    builder = rars.RarBuilder()
    for number in range(60):
        builder.add_bytes(b"x", f"{number}.txt")
    allowance = Allowance(Limits(archive_members=10))

    found = list(open_archive("rar", builder.to_bytes(), "a.rar", allowance))

    assert len(found) <= 10
    assert allowance.exceeded or found[0].unreadable


def test_a_damaged_member_hides_no_other():
    builder = rars.RarBuilder(store=True)
    builder.add_bytes(b"a" * 1000, "broken.txt")
    builder.add_bytes(LINK, "list.txt")
    data = builder.to_bytes().replace(b"a" * 1000, b"a" * 999 + b"b")

    evidence = shown(data)

    assert evidence.values_of("crtsh_id") == ("5",)
    assert [one.part for one in evidence.unreadable_parts] == ["1.2/report.rar/broken.txt"]


def test_one_volume_of_several_is_said_to_be_no_whole(tmp_path):
    builder = rars.RarBuilder(store=True, volume_size=2000)
    builder.add_bytes(bytes(range(256)) * 20, "list.bin")
    builder.write_volumes(str(tmp_path / "all.rar"))
    first = min(tmp_path.iterdir())

    evidence = shown(first.read_bytes())

    assert rar.IN_PIECES in {one.reason for one in evidence.unreadable_parts}


def test_without_the_library_a_rar_archive_is_named_as_not_read(monkeypatch):
    monkeypatch.setattr(rar, "rars", None)

    (part,) = shown(pack()).unreadable_parts

    assert part.reason == "a rar archive, for which no library is installed"


GOOD = pack(b"hello world " * 50)


@given(st.lists(st.tuples(st.integers(8, len(GOOD) - 1), st.integers(0, 255)), max_size=6))
def test_a_damaged_archive_raises_nothing_unexpected(changes):
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte

    list(open_archive("rar", bytes(data), "a.rar", Allowance(Limits())))
