"""Sealed bytes open under their own key and digest only."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.archive.seal import ArchiveKey, check_key, remember_key
from intake.config import Secret
from intake.database import Database
from intake.errors import ConfigError, VerificationError

KEY = ArchiveKey(b"k" * 32)
RAW = b"Subject: x\r\n\r\n" + b"body \x00\xff" * 1000
SHA256 = hashlib.sha256(RAW).hexdigest()


@given(st.binary(max_size=2000))
def test_p29_bytes_come_back_as_they_were(raw: bytes) -> None:
    digest = hashlib.sha256(raw).hexdigest()

    assert KEY.open(KEY.seal(raw, digest), digest) == raw


def test_sealed_bytes_are_smaller_and_say_nothing() -> None:
    sealed = KEY.seal(RAW, SHA256)

    assert len(sealed) < len(RAW) / 10
    assert b"body" not in sealed
    assert sealed != KEY.seal(RAW, SHA256)


@pytest.mark.parametrize("at", [0, 1, 12, 13, 20, -1])
def test_a_flipped_byte_is_noticed(at: int) -> None:
    sealed = bytearray(KEY.seal(RAW, SHA256))
    sealed[at] ^= 1

    with pytest.raises(VerificationError, match=r"verify|does not know"):
        KEY.open(bytes(sealed), SHA256)


def test_bytes_of_another_row_do_not_open() -> None:
    with pytest.raises(VerificationError, match="do not verify"):
        KEY.open(KEY.seal(RAW, SHA256), "0" * 64)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 13, b"\x01" * 40])
def test_too_few_bytes_are_an_error_for_people(sealed: bytes) -> None:
    with pytest.raises(VerificationError):
        KEY.open(sealed, SHA256)


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "archive.key"

    key = ArchiveKey.create(path)

    assert path.stat().st_mode & 0o777 == 0o400
    assert path.read_text().startswith("#")
    assert ArchiveKey.load(Secret(file=path)).fingerprint() == key.fingerprint()
    with pytest.raises(FileExistsError):
        ArchiveKey.create(path)
    assert ArchiveKey.load(Secret(file=path)).fingerprint() == key.fingerprint()


def test_a_missing_key_file_is_a_fault_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ArchiveKey.load(Secret(file=tmp_path / "none", key="archive.key_file"))


@pytest.mark.parametrize("text", ["not hex", "00" * 31, "00" * 33, "# only a comment"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "archive.key"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(VerificationError, match=r"archive\.key"):
        ArchiveKey.load(Secret(file=path))


def test_the_database_knows_its_key(database: Database) -> None:
    with database.write() as session:
        remember_key(session, KEY)
        remember_key(session, KEY)
    with database.read() as session:
        check_key(session, KEY)
        with pytest.raises(VerificationError, match="not the one that sealed"):
            check_key(session, ArchiveKey(b"x" * 32))


def test_a_token_depends_on_key_purpose_and_text() -> None:
    token = KEY.token("ticket", "12")

    assert token == KEY.token("ticket", "12")
    assert (
        len(
            {
                token,
                KEY.token("probe", "12"),
                KEY.token("ticket", "13"),
                ArchiveKey(b"x" * 32).token("ticket", "12"),
            }
        )
        == 4
    )
