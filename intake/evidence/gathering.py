"""Collects what the parts of one message show, within the limits."""

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from intake.evidence.containers import Allowance
from intake.evidence.key_statements import KeyClaim, KeyProof
from intake.evidence.locked import Locked
from intake.evidence.named import Named
from intake.evidence.private_keys import Derived
from intake.evidence.signed_statements import Signing
from intake.evidence.targets import DifferingLink
from intake.evidence.values import (
    FoundCertificate,
    FoundCsr,
    FoundKey,
    Identifier,
    Limits,
    UnreadablePart,
)

if TYPE_CHECKING:
    from intake.evidence.parts import Piece

LONGEST_NAMED_AS = 1000
MOST_DIFFERING = 100  # advertising has little else


class Gathering:
    """What was found so far; everything is kept once, in order of appearance."""

    def __init__(self, limits: Limits) -> None:
        """Start empty."""
        self.limits = limits
        self.allowance = Allowance(limits)
        self.identifiers: dict[tuple[str, str, str], Identifier] = {}
        self.certificates: dict[tuple[str, str], FoundCertificate] = {}
        self.keys: dict[FoundKey, None] = {}
        self.csrs: dict[FoundCsr, None] = {}
        self.proofs: dict[KeyProof, None] = {}
        self.claims: dict[KeyClaim, None] = {}
        self.signing = Signing()
        self.locked_files: list[Piece] = []  # archives and documents that a password may open
        self.forwarded: dict[str, None] = {}  # senders of messages within this one
        self.subjects: list[str] = []
        self.locked: dict[Locked, None] = {}  # what a password may open; never leaves this process
        self.derived: dict[str, Derived | None] = {}  # by SHA-256 of the private key
        self.key_work = 0.0  # spent on private keys, in keys of 2048 bits
        self.hexadecimal: dict[str, None] = {}
        self.domains: dict[str, None] = {}
        self.urls: dict[str, None] = {}
        self.unreadable: dict[UnreadablePart, None] = {}
        self.differing: dict[DifferingLink, None] = {}
        self.holds_status = False  # a CRL or an OCSP response
        self.mentioned: dict[str, None] = {}
        self.enclosed: dict[str, None] = {}  # Message-IDs of messages within, for delivery status
        self.texts: list[str] = []
        self.kept = self.searched = 0
        self.seen = 0  # places of identifiers
        self.parts = 0
        self.has_delivery_status = False
        self._limits_hit: dict[str, None] = {}

    @property
    def limits_hit(self) -> tuple[str, ...]:
        """Return the limits that were hit, in plain words."""
        return tuple(dict.fromkeys([*self._limits_hit, *self.allowance.exceeded]))

    @property
    def holds_evidence(self) -> bool:
        """Tell whether anything was found that names or is a certificate or a key."""
        return bool(self.identifiers or self.certificates or self.keys or self.csrs)

    @property
    def said(self) -> list[str]:
        """Return all that the message says in words, subjects too."""
        return [*self.subjects, *self.texts]

    @property
    def room(self) -> int:
        """Return how many more places are looked at; bounds the time for lists without end."""
        return max(0, self.limits.identifiers - self.seen)

    def hit(self, limit: str) -> None:
        """Record that a limit was hit."""
        self._limits_hit[limit] = None

    def unread(self, part: str, reason: str) -> None:
        """Record a part that could not be read."""
        self.unreadable[UnreadablePart(part, reason)] = None

    def add_named(self, named: Iterable[Named], part: str) -> None:
        """Add what a text names."""
        for one in named:
            if one.kind == "url":
                self._add(self.urls, one.value, self.limits.urls, "links")
            elif one.kind == "domain":
                self._add(self.domains, one.value, self.limits.domains, "domain names")
            elif one.kind == "hex":
                self._add(self.hexadecimal, one.value, self.limits.identifiers, "long hex values")
            else:
                self._add_identifier(one, part)

    def _add(self, store: dict[str, None], value: str, most: int, what: str) -> None:
        if len(store) < most:
            store[value] = None
        elif value not in store:
            self.hit(f"more than {most} {what}; the rest is not listed")

    def _add_identifier(self, named: Named, part: str) -> None:
        self.seen += 1
        if self.seen >= self.limits.identifiers:
            self.hit(f"more than {self.limits.identifiers} identifiers; the rest is not looked for")
        key = (named.kind, named.value, part)
        if key in self.identifiers:
            return
        if len(self.identifiers) >= self.limits.identifiers:
            return
        written = named.named_as[:LONGEST_NAMED_AS]
        self.identifiers[key] = Identifier(named.kind, named.value, part, named.offset, written)

    def add_certificate(self, der: bytes, part: str) -> None:
        """Add a certificate or precertificate."""
        digest = sha256(der).hexdigest()
        if len(self.certificates) >= self.limits.identifiers:
            self.hit(f"more than {self.limits.identifiers} certificates; the rest is not listed")
            return
        self.certificates.setdefault((digest, part), FoundCertificate(der, digest, part))

    def prove(self, proof: KeyProof | None) -> None:
        """Add what was proved about a key, if anything was."""
        if proof is None:
            return
        if len(self.proofs) < self.limits.keys:
            self.proofs[proof] = None
        elif proof not in self.proofs:
            self.hit(f"more than {self.limits.keys} proofs about keys; the rest is not listed")

    def claim(self, claims: Iterable[KeyClaim]) -> None:
        """Add statements about keys that can't be verified here."""
        for one in claims:
            if len(self.claims) < self.limits.keys:
                self.claims[one] = None

    def add_urls(self, urls: Iterable[str]) -> None:
        """Add links that name nothing else."""
        urls = list(urls)
        if len(self.urls) + len(urls) <= self.limits.urls:
            self.urls.update(dict.fromkeys(urls))
            return
        for one in urls:
            self._add(self.urls, one, self.limits.urls, "links")

    def differ(self, link: DifferingLink) -> None:
        """Add a link that does not lead where its text says."""
        if len(self.differing) < MOST_DIFFERING:
            self.differing[link] = None

    def add_text(self, text: str) -> None:
        """Keep text for reading and for full-text search."""
        text = text.strip()
        room = self.limits.kept_text_chars - self.kept
        if not text:
            return
        if len(text) > room:
            self.hit("the text is longer than is kept for full-text search")
        if room > 0:
            self.texts.append(text[:room])
            self.kept += min(len(text), room) + 1

    def searchable(self, text: str) -> str:
        """Return as much of a text as may still be searched."""
        room = self.limits.text_chars - self.searched
        if len(text) > room:
            self.hit("the message holds more text than is searched")
            text = text[: max(room, 0)]
        self.searched += len(text)
        return text

    def mention(self, ids: Iterable[str], *, enclosed: bool = False) -> None:
        """Add Message-IDs of other messages; `enclosed` ones are of a message within this one."""
        for one in ids:
            self._add(self.mentioned, one, self.limits.identifiers, "mentioned Message-IDs")
            if enclosed:
                self.enclosed[one] = None
