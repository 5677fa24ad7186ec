"""`intake extract` as it is run: JSON of the contract, text for people, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EMAILS = Path(__file__).parents[2] / "fixtures" / "emails"
KEYS = (
    "sha256", "size", "message_ids", "mentioned_message_ids", "from", "subject", "date", "kind", "crtsh_ids",
    "sha256_fingerprints", "sha1_fingerprints", "spki_sha256", "serial_numbers", "unclassified_hex", "domains", "urls",
    "identifiers", "certificates", "private_keys", "csrs", "unreadable_parts", "limits_hit",
)  # fmt: skip
ADDED = (
    "key_proofs",
    "grounds",
    "suggested_spam",
    "claims_to_be_probe",
    "forwarded_from",
    "differing_links",
)


def intake(*arguments: str, folder: Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command where there is no configuration."""
    return subprocess.run(
        [sys.executable, "-m", "intake.cli.main", *arguments],
        input=given, capture_output=True, check=False, cwd=folder,
        env={"PYTHONPATH": str(EMAILS.parents[1]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def extracted(name: str, folder: Path) -> dict:
    result = intake("extract", str(EMAILS / f"{name}.eml"), "--json", folder=folder)
    assert (result.returncode, result.stderr) == (0, b"")
    return json.loads(result.stdout)


def test_the_json_has_the_keys_of_the_contract(tmp_path):
    document = extracted("seed_report", tmp_path)

    assert tuple(document) == KEYS + ADDED
    assert document["message_ids"] == ["<A7B38FB3-EC73-444F-9DD8-78A9A784CAE5@titanous.com>"]
    assert document["date"] == "2017-08-13T04:45:12Z"
    assert document["kind"] == "report"
    assert document["crtsh_ids"] == [19429431]
    assert document["from"] == ["jonas@researcher.example"]
    identifier = document["identifiers"][0]
    assert {**identifier, "offset": 0} == {
        "kind": "crtsh_id",
        "value": "19429431",
        "part": "1",
        "offset": 0,
    }


def test_certificates_come_with_what_was_read_of_them(tmp_path):
    certificates = extracted("precertificate_and_final", tmp_path)["certificates"]

    assert [one["precertificate"] for one in certificates] == [True, False]
    assert certificates[0]["serial_number"] == certificates[1]["serial_number"]
    assert set(certificates[0]) == {
        "sha256",
        "serial_number",
        "precertificate",
        "parsed_by",
        "part",
    }


def test_keys_requests_and_unreadable_parts_have_their_form(tmp_path):
    key = extracted("private_key_attached", tmp_path)["private_keys"][0]
    request = extracted("csr_attached", tmp_path)["csrs"][0]
    unreadable = extracted("pgp_encrypted", tmp_path)["unreadable_parts"][0]

    assert (key["kind"], key["encrypted"], key["part"]) == ("pkcs8", False, "1.2")
    assert key["spki_sha256"] == request["spki_sha256"]
    assert set(unreadable) == {"part", "reason"}


def test_a_message_may_come_on_standard_input(tmp_path):
    raw = (EMAILS / "two_links.eml").read_bytes()
    result = intake("extract", "-", "--json", folder=tmp_path, given=raw)

    assert json.loads(result.stdout)["crtsh_ids"] == [100609198, 626981823]


def test_text_for_people_moves_no_cursor(tmp_path):
    result = intake("extract", str(EMAILS / "hostile_subject.eml"), folder=tmp_path)

    assert result.returncode == 0
    assert b"\x1b" not in result.stdout
    assert b"19429431" in result.stdout


def test_a_missing_file_is_wrong_usage(tmp_path):
    result = intake("extract", "nowhere.eml", folder=tmp_path)

    assert result.returncode == 2
    assert b"nowhere.eml: No such file" in result.stderr


@pytest.mark.parametrize("raw", [b"", b"\x00" * 1000, b"Subject: x\r\n" * 3])
def test_any_bytes_give_a_document(raw, tmp_path):
    result = intake("extract", "-", "--json", folder=tmp_path, given=raw)

    assert result.returncode == 0
    assert json.loads(result.stdout)["size"] == len(raw)


def test_no_key_is_printed(tmp_path):
    secret = (
        (EMAILS.parent / "certificates" / "compromised_pkcs1.key")
        .read_text("ascii")
        .splitlines()[1:-1]
    )
    for more in ((), ("--json",)):
        shown = intake(
            "extract", str(EMAILS / "private_key_quoted.eml"), *more, folder=tmp_path
        ).stdout.decode()

        assert [line for line in secret if line[:24] in shown] == []
