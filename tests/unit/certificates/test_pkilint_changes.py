"""Asking pkilint's validators more seldom leaves every finding as it is."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pkilint.document import NodeVisitor
from pkilint.validation import ValidatorContainer

from intake.certificates import with_pkilint

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"
ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
FILES = sorted(path.name for path in CERTIFICATES.glob("*.der"))


def ask_all(container, node, results):
    """Ask every validator about every node, as pkilint does by itself."""
    for validator in container.validators:
        if validator.match(node):
            result = validator.validate_wrapper(node)
            results.extend(result if isinstance(result, list) else [result])
    for child in node.children.values():
        ask_all(container, child, results)


def lint(der: bytes):
    try:
        return with_pkilint.lint_with_pkilint(der, issued_at=ISSUED)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", FILES)
def test_the_findings_are_those_of_asking_every_validator(name, monkeypatch):
    der = (CERTIFICATES / name).read_bytes()
    damaged = [der[:at] + bytes([der[at] ^ 0x15]) + der[at + 1 :] for at in range(4, len(der), 211)]
    quickly = [lint(one) for one in (der, *damaged)]

    monkeypatch.setattr(ValidatorContainer, "_validate_rec", ask_all)

    assert [lint(one) for one in (der, *damaged)] == quickly


def test_most_validators_are_not_asked_about_nodes_of_another_class(monkeypatch):
    asked = []
    match = NodeVisitor.match
    monkeypatch.setattr(
        NodeVisitor, "match", lambda self, node: asked.append(self) or match(self, node)
    )
    der = (CERTIFICATES / "clean.der").read_bytes()
    lint(der)
    quickly = len(asked)
    asked.clear()

    monkeypatch.setattr(ValidatorContainer, "_validate_rec", ask_all)
    lint(der)

    assert 0 < quickly < len(asked) / 4
