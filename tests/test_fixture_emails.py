"""The fixture mails are the specification: each shows exactly what its twin says."""

import base64
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from intake.clock import render_instant
from intake.evidence.extract import Evidence, extract_evidence

FOLDER = Path(__file__).parent.parent / "fixtures" / "emails"
NAMES = sorted(path.stem for path in FOLDER.glob("*.eml"))
KEYS = FOLDER.parent / "certificates"


def expected_of(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.expected.toml").read_text(encoding="utf-8"))


def shown(evidence: Evidence) -> dict[str, Any]:
    """What the twin speaks of; empty lists are left out there."""
    document = {
        "kind": evidence.kind,
        "message_ids": list(evidence.message_ids),
        "from": list(evidence.senders),
        "subject": evidence.subject,
        "mentioned_message_ids": sorted(evidence.mentioned_message_ids),
        "delivery_status_of": list(evidence.delivery_status_of),
        "identifiers": [f"{one.kind} {one.value} {one.part}" for one in evidence.identifiers],
        "certificates": [{"sha256": one.sha256, "part": one.part} for one in evidence.certificates],
        "private_keys": [
            {"kind": one.kind, "encrypted": one.encrypted, "part": one.part}
            | ({"spki_sha256": one.spki_sha256} if one.spki_sha256 else {})
            for one in evidence.private_keys
        ],
        "csrs": [{"spki_sha256": one.spki_sha256, "part": one.part} for one in evidence.csrs],
        "unclassified_hex": sorted(evidence.unclassified_hex),
        "domains": sorted(evidence.domains),
        "urls": sorted(evidence.urls),
        "differing_links": [f"{one.shown} {one.target}" for one in evidence.differing_links],
        "forwarded_from": list(evidence.forwarded_from),
        "suggested_spam": list(evidence.suggested_spam),
        "unreadable_parts": [one.part for one in evidence.unreadable_parts],
        "limits_hit": len(evidence.limits_hit),
        "ticket_tokens": [f"{number} {token}" for number, token in evidence.ticket_tokens],
    }
    always = ("kind", "message_ids", "from", "subject")
    return {name: value for name, value in document.items() if value or name in always}


@pytest.mark.parametrize("name", NAMES)
def test_a_message_shows_exactly_what_its_twin_says(name):
    expected = expected_of(name)
    evidence = extract_evidence((FOLDER / f"{name}.eml").read_bytes())
    wanted = dict(expected["evidence"])
    date = wanted.pop("date", None)
    wanted = {
        key: sorted(value) if key == "mentioned_message_ids" else value
        for key, value in wanted.items()
    }

    assert shown(evidence) == wanted
    assert date is None or render_instant(evidence.date) == date
    assert expected["triage"]["kind"] == evidence.kind
    assert expected["triage"].get("holds_private_key", False) == bool(evidence.private_keys)


def test_every_message_has_its_twin():
    assert (
        sorted(path.name.removesuffix(".expected.toml") for path in FOLDER.glob("*.toml")) == NAMES
    )
    assert len(NAMES) >= 28


def test_every_identifier_stands_where_it_is_said_to_stand():
    evidence = extract_evidence((FOLDER / "seed_report.eml").read_bytes())
    body = (FOLDER / "seed_report.eml").read_bytes().partition(b"\r\n\r\n")[2].decode()
    found = evidence.identifiers[0]

    assert body[found.offset :].startswith(found.named_as)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("private_key")])
def test_no_private_key_is_shown_in_any_field(name):
    text = "\n".join(
        repr(getattr(extract_evidence((FOLDER / f"{name}.eml").read_bytes()), one.name))
        for one in fields(Evidence)
        if one.name != "certificates"
    )
    for path in KEYS.glob("*.key"):
        content = path.read_bytes()
        plain = content if b"BEGIN" not in content else b"".join(content.splitlines()[1:-1])
        coded = plain.decode() if b"BEGIN" in content else base64.b64encode(content).decode()
        # Public parts (the modulus) stand near the start, so any piece of the whole is looked for.
        pieces = [coded[at : at + 20] for at in range(0, len(coded) - 20, 5)]

        assert not [piece for piece in pieces if piece in re.sub(r"[\s>\\n]", "", text)]


def test_the_message_in_the_twin_list_is_described():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert [name for name in NAMES if f"| `{name}` |" not in readme] == []
