"""Locked archives: opened with what the message says, else said to be locked."""

import io
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.sevenzip import read_sevenzip
from intake.evidence.sevenzip_coders import BROKEN, LockedError, SevenZipError
from intake.evidence.zip_locks import open_member
from tests.unit.evidence.carriers import with_attachment, zip_of

ARCHIVES = Path(__file__).parents[3] / "fixtures" / "archives"
WORD = "Zertifikat-2026"


def archive(name: str) -> bytes:
    return (ARCHIVES / name).read_bytes()


def ids(evidence: Evidence) -> list[str]:
    return [one.value for one in evidence.identifiers if one.kind == "crtsh_id"]


@pytest.mark.parametrize(
    "text",
    [
        f"The password is {WORD}.", f"Password: {WORD}", f'password "{WORD}"', f"Passwort lautet {WORD}", f"mot de passe : {WORD}",
        f"contraseña: {WORD}", f"пароль: {WORD}", f"パスワード：{WORD}", f"pw={WORD}", f"Password (for the zip):\n{WORD}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["list_locked.7z", "list_locked_aes.zip"])
def test_a_locked_archive_opens_however_the_password_is_said(name, text):
    assert ids(extract_evidence(with_attachment(archive(name), name, text=text))) == ["626981823"]


def test_the_password_may_stand_in_the_subject():
    raw = with_attachment(archive("list_locked_aes.zip"), "a.zip").replace(
        b"Subject: x", f"Subject: password {WORD}".encode()
    )

    assert ids(extract_evidence(raw)) == ["626981823"]


@pytest.mark.parametrize("name", ["list_locked.7z", "list_locked_aes.zip"])
def test_an_archive_whose_password_is_not_said_is_said_to_be_locked(name):
    evidence = extract_evidence(
        with_attachment(archive(name), name, text="The password is not here.")
    )

    assert ids(evidence) == []
    assert "locked with a password" in evidence.unreadable_parts[0].reason


def test_a_locked_archive_within_an_archive_opens_too():
    outer = zip_of(inner__zip=archive("list_locked_old.zip"), note__txt=b"hello")
    evidence = extract_evidence(with_attachment(outer, "outer.zip"))

    assert [(one.value, one.part) for one in evidence.identifiers] == [
        ("626981823", "1.2/outer.zip/inner.zip/list.txt")
    ]


def test_the_password_may_stand_in_another_attachment():
    outer = zip_of(
        locked__zip=archive("list_locked_aes.zip"), readme__txt=f"password: {WORD}".encode()
    )

    assert ids(extract_evidence(with_attachment(outer, "outer.zip"))) == ["626981823"]


def test_no_password_is_shown_by_being_tried():
    evidence = extract_evidence(with_attachment(archive("list_locked_aes.zip"), "a.zip"))

    assert WORD not in repr(evidence)


def test_a_changed_member_does_not_open():
    data = bytearray(archive("list_locked_aes.zip"))
    data[70] ^= 1
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert open_member(file, file.infolist()[0], bytes(data), [WORD]) is None


def test_too_large_a_member_under_the_old_cipher_stays_locked():
    with zipfile.ZipFile(io.BytesIO(archive("list_locked_old.zip"))) as file:
        info = file.infolist()[0]
        info.compress_size = 1 << 30

        assert open_member(file, info, b"", ["infected"]) is None


# ---- 7z ----------------------------------------------------------------------------------------


def test_a_7z_archive_gives_names_and_contents():
    assert read_sevenzip(archive("list.7z"), password=None) == [
        ("list.txt", b"Links:\r\nhttps://crt.sh/?id=626981823\r\n")
    ]


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_locked_7z_archive_says_so(password):
    with pytest.raises(LockedError):
        read_sevenzip(archive("list_locked.7z"), password=password)


def test_a_7z_archive_that_unpacks_to_more_than_allowed_is_refused():
    with pytest.raises(SevenZipError):
        read_sevenzip(archive("list.7z"), password=None, most_bytes=10)


@pytest.mark.parametrize(("name", "step"), [("list.7z", 1), ("list_locked.7z", 20)])
def test_a_damaged_7z_archive_raises_nothing_unexpected(name, step):
    content = archive(name)
    for at in range(6, len(content), step):
        flipped = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        for damaged in (content[:at], flipped):
            with suppress(*BROKEN):
                read_sevenzip(damaged, password="x")


def test_a_header_that_counts_millions_is_refused():
    header = bytes([1, 5, 0xE0, 0xFF, 0xFF, 0xFF, 0])
    start = struct.pack("<6sBBIQQI", b"7z\xbc\xaf\x27\x1c", 0, 4, 0, 0, len(header), 0)

    with pytest.raises(SevenZipError, match="counts more"):
        read_sevenzip(start + header, password=None)
