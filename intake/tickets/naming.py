"""Which certificates a message is about: its identifiers grouped into items. Pure.

One item for each identifier at first. What is the same without asking anyone is one item at once:
an identifier named twice, a certificate and its own fingerprint, a precertificate and the final
certificate in the same message, a 40-digit value that may be a serial number or a SHA-1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

CERTIFICATE = "certificate"
SPKI = "spki_sha256"
PRIVATE_KEY = "private_key"  # kind of a proof that is the key itself

Key = tuple[str, str]
"""What two names of the same certificate have in common."""


@dataclass(frozen=True)
class Name:
    """One way in which a message calls a certificate."""

    kind: str  # crtsh_id | sha256 | sha1 | serial_number | spki_sha256 | certificate
    value: str
    named_as: str  # as written
    is_private_key: bool = False  # the message holds or proves the private half of the key

    @property
    def key(self) -> Key:
        """Return what this name has in common with others of the same certificate."""
        return name_key(self.kind, self.value)


@dataclass(frozen=True)
class Held:
    """What a certificate in the message says about itself."""

    sha256: str
    sha1: str
    issuer_sha256: str | None
    serial_number: str | None
    spki_sha256: str | None
    part: str

    @property
    def identity(self) -> Key:
        """Return issuer and serial number, or the digest where they can't be read."""
        if self.issuer_sha256 is None or self.serial_number is None:
            return ("digest", self.sha256)
        return (f"issuer {self.issuer_sha256}", self.serial_number)


@dataclass
class PlannedItem:
    """One certificate that a message is about."""

    names: list[Name] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)  # SHA-256
    keys: set[Key] = field(default_factory=set)  # by which it is known again


def name_key(kind: str, value: str) -> Key:
    """Return the key of a name: digests and serial numbers by their value, whatever they are."""
    return ("crtsh", value) if kind == "crtsh_id" else ("hex", value)


def certificate_keys(held: Held) -> set[Key]:
    """Return every key by which a certificate may be named."""
    values = (held.sha256, held.sha1, held.serial_number, held.spki_sha256)
    return {held.identity, *(("hex", value) for value in values if value is not None)}


def plan_items(evidence: "Evidence", certificates: Sequence[Held]) -> list[PlannedItem]:
    """Group what a message names and holds into items, in order of appearance."""
    held = _group_certificates(certificates)
    by_key: dict[Key, PlannedItem] = {}
    for item in held:
        for key in item.keys:
            by_key.setdefault(key, item)
    named: list[PlannedItem] = []
    for name in _names(evidence):
        known = by_key.get(name.key)
        if known is None:
            known = by_key[name.key] = PlannedItem(keys={name.key})
            named.append(known)
        _add_name(known, name)
    return named + held


def _group_certificates(certificates: Iterable[Held]) -> list[PlannedItem]:
    by_identity: dict[Key, PlannedItem] = {}
    for one in certificates:
        item = by_identity.setdefault(one.identity, PlannedItem())
        if one.sha256 not in item.certificates:
            item.certificates.append(one.sha256)
            item.names.append(Name(CERTIFICATE, one.sha256, f"certificate in part {one.part}"))
            item.keys |= certificate_keys(one)
    return list(by_identity.values())


def _names(evidence: "Evidence") -> Iterable[Name]:
    for one in evidence.identifiers:
        yield Name(one.kind, one.value, one.named_as)
    for key in evidence.private_keys:
        if key.spki_sha256 is not None:
            yield Name(SPKI, key.spki_sha256, f"private key in part {key.part}", True)
    for proof in evidence.key_proofs:
        if proof.kind != PRIVATE_KEY:
            written = f"proof of key compromise in part {proof.part}"
            yield Name(SPKI, proof.spki_sha256, written, True)
    for claim in evidence.key_claims:
        yield Name(SPKI, claim.kid, f"statement of key compromise in part {claim.part}")


def _add_name(item: PlannedItem, name: Name) -> None:
    if all((name.kind, name.value) != (one.kind, one.value) for one in item.names):
        item.names.append(name)
