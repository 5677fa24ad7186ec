"""On what grounds a message may be a problem report, and what speaks for advertising.

Both are told to people and decide nothing: every message in a watched mailbox becomes a ticket.
"""

import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from intake.evidence.pattern_set import PatternSet

if TYPE_CHECKING:
    from intake.evidence.gathering import Gathering

READ = 3000  # characters of text in which words are looked for
WORDS = {
    "misissued": ("misissu", "mis-issu", "mississu", "fehlausg", "emitido indebid", "mal émis"),
    "key compromise": ("compromise", "private key", "leaked key", "weak key", "privater schlüssel", "privaten schlüssel",
                       "clé privée", "clave privada"),
    "revoke": ("revoke", "revoca", "widerruf", "révo", "отозв", "отзыв"),
    "problem report": ("problem report", " 4.9.", "baseline requirement"),
    "phishing or fraud": ("phishing", "fraud", "malware", "betrug", "hameçonnage"),
    "CRL or OCSP": (" crl", "ocsp"),
    "a linter's finding": ("zlint", "cablint", "x509lint", "pkilint"),
}  # fmt: skip
_WORDS = PatternSet({word: "|".join(map(re.escape, stems)) for word, stems in WORDS.items()})
_NAMED = {
    "crtsh_id": "names a certificate", "sha256": "names a certificate", "sha1": "names a certificate",
    "serial_number": "names a certificate", "spki_sha256": "names a public key",
}  # fmt: skip
# Fields by which filters say what they think, and what they say of spam.
_SPAM_FIELDS = (
    ("x-spam-flag", re.compile(r"yes|true", re.IGNORECASE)),
    ("x-spam-status", re.compile(r"yes", re.IGNORECASE)),
    ("x-spam", re.compile(r"yes|true", re.IGNORECASE)),
    ("x-rspamd-action", re.compile(r"reject|add header|rewrite subject|quarantine", re.IGNORECASE)),
    ("x-barracuda-spam-flag", re.compile(r"yes", re.IGNORECASE)),
    ("x-proofpoint-spam-details", re.compile(r"rule=\w*spam(?!_notspam)", re.IGNORECASE)),
    ("x-ms-exchange-organization-scl", re.compile(r"[5-9]")),
    ("x-forefront-antispam-report", re.compile(r".*\b(?:SFV:(?:SPM|SKB|SKS)|CAT:(?:SPM|HSPM|PHSH|HPHSH|HPHISH|BULK|MALW))\b")),
    ("x-microsoft-antispam", re.compile(r".*\bBCL:[7-9]\b")),
)  # fmt: skip
_BULK_FIELDS = (
    "list-unsubscribe",
    "list-unsubscribe-post",
    "feedback-id",
    "x-campaign",
    "x-mailgun-sid",
    "x-sg-eid",
)


def grounds_of(gathering: "Gathering", subject: str, text: str) -> tuple[str, ...]:
    """Return why the message may be a problem report; none for advertising, and for "please call me"."""
    found = dict.fromkeys(_NAMED[kind] for kind, _, _ in gathering.identifiers)
    carried = {
        "carries a certificate": gathering.certificates,
        "carries a certificate request": gathering.csrs,
        "holds a private key": gathering.keys,
        "shows that a key is compromised": gathering.proofs,
        "says that a key is compromised, unverified": gathering.claims,
        "carries a CRL or an OCSP response": gathering.holds_status,
    }
    found |= dict.fromkeys(ground for ground, holds in carried.items() if holds)
    said = _said(f"{subject}\n{text[:READ]}")
    return (*found, *(f"words: {word}" for word in WORDS if word in said))


def _said(text: str) -> Container[str]:
    """Return which of the words a text says."""
    found = _WORDS.found_in(text)
    if found is not None:
        return found
    lower = text.lower()
    return {word for word, stems in WORDS.items() if any(stem in lower for stem in stems)}


def spam_signs(fields: Mapping[str, Sequence[str]], grounds: tuple[str, ...]) -> tuple[str, ...]:
    """Return what speaks for spam: fields of filters, or bulk mail without any grounds."""
    signs = [
        f"{name}: {value[:60]}"
        for name, pattern in _SPAM_FIELDS
        for value in fields.get(name, ())[:3]
        if pattern.match(value.strip())
    ]
    if not grounds and any(name in fields for name in _BULK_FIELDS):
        signs.append("bulk mail that names no certificate")
    return tuple(signs)
