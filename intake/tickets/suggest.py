"""What findings suggest: the reason for which a certificate may have to be revoked; pure.

A suggestion is no decision. A finding is no proof and may be the linter's mistake; its absence is
no innocence, since wrong validation or a leaked key shows in no certificate. A person classifies.

Source: BR 4.9.1.1 (2.2.6); BR 6.1.1.3, 6.1.5, 6.1.6.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from intake.tickets.triage import SERIOUS

NOT_ISSUED_IN_ACCORDANCE = "not_issued_in_accordance"
EXPIRED = "expired"

# The strictest first. A code belongs to the first row that has it, or its beginning with a dot.
BY_CODE: tuple[tuple[str, frozenset[str]], ...] = (
    ("key_compromise", frozenset({"badkeys.blocklist"})),
    (
        "weak_key",
        frozenset(
            {
                "badkeys.fermat",
                "badkeys.roca",
                "badkeys.smallfactors",
                "badkeys.sharedprimes",
                "badkeys.rsapoly",
                "badkeys.smalld",
                "badkeys.dsasparse",
                "cabf.rsa_modulus_has_small_prime_factor",
            }
        ),
    ),
    (
        "key_no_longer_compliant",
        frozenset(
            {
                "badkeys.rsainvalid",
                "cabf.rsa_modulus_invalid_length",
                "cabf.rsa_exponent_prohibited_value",
                "cabf.ecdsa_key_validation_failed",
                "cabf.serverauth.prohibited_subject_public_key_algorithm_encoding",
            }
        ),
    ),
)
DEBIAN = "debian"  # in the name of a block list: such keys are computed, not leaked
# What says that a part was not checked, and nothing of the certificate.
NO_VERDICT = frozenset({"base.unhandled_exception", "der.not_a_certificate"})
CA_PROFILES = ("_CA", "ROOT_CA")  # how pkilint's profiles of CA certificates end


@dataclass(frozen=True)
class Hint:
    """What a finding contributes."""

    code: str
    severity: str
    in_force: bool | None  # at issuance; None: we don't know
    message: str = ""


def suggest(
    hints: Iterable[Hint], *, profile: str | None = None, is_expired: bool = False
) -> str | None:
    """Return the classification that the findings point to; None if they point to none.

    Args:
        hints: findings of all linters.
        profile: the rules by which the certificate was judged: other rules, other reasons.
        is_expired: it had ended before the report came.
    """
    if is_expired:
        return EXPIRED
    reasons = {
        _reason_of(one)
        for one in hints
        if one.severity in SERIOUS and one.in_force is not False and one.code not in NO_VERDICT
    }
    order = [*(reason for reason, _ in BY_CODE), NOT_ISSUED_IN_ACCORDANCE]
    strictest = next((one for one in order if one in reasons), None)
    return None if strictest is None else _for_kind(strictest, profile or "")


def _reason_of(hint: Hint) -> str:
    if hint.code == "badkeys.blocklist" and DEBIAN in hint.message.lower():
        return "weak_key"
    for reason, codes in BY_CODE:
        if hint.code in codes:
            return reason
    return NOT_ISSUED_IN_ACCORDANCE


def _for_kind(reason: str, profile: str) -> str:
    if profile.startswith("S/MIME"):
        return f"smime.{reason}"
    if profile.endswith(CA_PROFILES):
        return f"sub_ca.{SUB_CA.get(reason, reason)}"
    return reason


SUB_CA = {"weak_key": "key_compromise", "key_no_longer_compliant": "key_compromise"}
"""Reasons that BR 4.9.1.2 has in one item with key compromise."""
