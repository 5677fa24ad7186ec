"""On what grounds a message may be a problem report, and what speaks for advertising.

Both are told to people and decide nothing: every message in a watched mailbox becomes a ticket.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

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
_ASCII_WORDS = {word: tuple(one for one in stems if one.isascii()) for word, stems in WORDS.items()}
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


def grounds_of(evidence: "Evidence", *, holds_status: bool) -> tuple[str, ...]:
    """Return why the message may be a problem report; none for advertising, and for "please call me"."""
    found = dict.fromkeys(_NAMED[one.kind] for one in evidence.identifiers)
    carried = {
        "carries a certificate": evidence.certificates,
        "carries a certificate request": evidence.csrs,
        "holds a private key": evidence.private_keys,
        "shows that a key is compromised": evidence.key_proofs,
        "says that a key is compromised, unverified": evidence.key_claims,
        "carries a CRL or an OCSP response": holds_status,
    }
    found |= dict.fromkeys(ground for ground, holds in carried.items() if holds)
    text = f"{evidence.subject}\n{evidence.text[:READ]}".lower()
    words = _ASCII_WORDS if text.isascii() else WORDS
    said = [word for word, stems in words.items() if any(stem in text for stem in stems)]
    return (*found, *(f"words: {word}" for word in said))


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
