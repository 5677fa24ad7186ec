"""What the sources say about a certificate's revocation, and what follows from it together.

Revoked means that every source that there is says so. When we first saw it there (our clock) is
kept apart from when the CA says that it was, which may lawfully be earlier. A source that is down
or gives no sound answer changes nothing: what it said before stands until it runs out.

Source: BR 4.9.5, 4.9.7, 4.9.9, 4.9.13, 7.2.2; RFC 5280 5.3.1.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from intake.tables import RevocationStatus

CRL, OCSP = "crl", "ocsp"
SOURCES = (CRL, OCSP)
GOOD, REVOKED, UNKNOWN, ON_HOLD = "good", "revoked", "unknown", "on_hold"
UNUSABLE, UNAVAILABLE = "unusable", "unavailable"
NOT_CHECKED = "not_checked"
SOUND = (GOOD, REVOKED, UNKNOWN, ON_HOLD)  # answers that may be relied on
CLOCK_SKEW = timedelta(minutes=1)  # by which a source's clock may run ahead of ours
MOST_ADDRESSES = 3  # asked of each source
SPLIT = "split"  # two addresses of one source say different things

# What is wrong, as codes that are never renamed.
DISAGREEMENT = "sources_disagree"
UNREVOKED = "unrevoked"
HELD = "on_hold"
ENCODED_ZERO = "reason_zero_encoded"
OCSP_UNKNOWN = "ocsp_unknown"
UNSOUND = {CRL: "crl_unsound", OCSP: "ocsp_unsound"}  # unsigned, stale, for something else
NO_SOURCE = "it names neither a CRL nor an OCSP responder"
NO_ISSUER = "the CA that issued it is not configured, so no answer could be verified"
REASONS_DIFFER = "reasons_differ"
REASON_WRONG = "reason_wrong"
REASON_MISSING = "reason_missing"
CLAIM_NOT_TRUE = "claim_not_true"

WORDS = {
    DISAGREEMENT: "has sources (CRL, OCSP) that do not agree",
    UNREVOKED: "was revoked and is no longer: un-revocation is an incident",
    HELD: "is on hold, which is no revocation and not allowed (BR 4.9.13)",
    ENCODED_ZERO: "has the reason 0 written out in the CRL, which BR 7.2.2 forbids",
    OCSP_UNKNOWN: "is unknown to our own OCSP responder",
    UNSOUND[CRL]: "has a CRL that can't be relied on",
    UNSOUND[OCSP]: "has OCSP answers that can't be relied on",
    REASONS_DIFFER: "has one reason in the CRL and another one in OCSP",
    REASON_WRONG: "was revoked with a reason that does not fit its classification",
    REASON_MISSING: "was revoked without the reason that its classification asks for",
    CLAIM_NOT_TRUE: "was said to be revoked, and is not",
}
"""What each code means, as the end of a sentence about the certificate."""

REASON_CODES = {
    "unspecified": 0, "keyCompromise": 1, "cACompromise": 2, "affiliationChanged": 3, "superseded": 4,
    "cessationOfOperation": 5, "certificateHold": 6, "removeFromCRL": 8, "privilegeWithdrawn": 9,
    "aACompromise": 10,
}  # fmt: skip
REASON_NAMES = {number: name for name, number in REASON_CODES.items()}


@dataclass(frozen=True)
class Answer:
    """What one address of one source says about one certificate."""

    state: str
    detail: str = ""  # why it is no sound answer
    reason: int | None = None  # CRLReason; 0: none given
    revoked_at: datetime | None = None  # as the CA states it
    this_update: datetime | None = None
    next_update: datetime | None = None
    number: int | None = None  # CRLNumber
    flags: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Say whether it may be relied on."""
        return self.state in SOUND


@dataclass(frozen=True)
class SourceAnswer:
    """An answer with where it comes from and its bytes."""

    source: str
    url: str
    answer: Answer
    document: bytes | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Addresses:
    """Where a certificate says that its revocation is published."""

    crl: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the sources that there are."""
        return tuple(name for name in SOURCES if getattr(self, name))


def unusable(why: str) -> Answer:
    """Return the answer that can't be relied on."""
    return Answer(UNUSABLE, why)


def unavailable(why: str) -> Answer:
    """Return the answer that did not come."""
    return Answer(UNAVAILABLE, why)


def addresses_in(der: bytes) -> Addresses:
    """Return the addresses in a certificate, by any reader that opens its extensions."""
    try:
        return _by_cryptography(der)
    except _READING_ERRORS:
        pass
    try:
        return _by_asn1crypto(der)
    except _READING_ERRORS:
        return Addresses()


_READING_ERRORS = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError,
                   UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension, Warning)  # fmt: skip


def _by_cryptography(der: bytes) -> Addresses:
    crl: list[str] = []
    ocsp: list[str] = []
    for extension in x509.load_der_x509_certificate(der).extensions:
        value = extension.value
        if isinstance(value, x509.CRLDistributionPoints):
            names = [name for point in value for name in point.full_name or ()]
            crl += [one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)]
        elif isinstance(value, x509.AuthorityInformationAccess):
            ocsp += [
                one.access_location.value
                for one in value
                if one.access_method == x509.oid.AuthorityInformationAccessOID.OCSP
                and isinstance(one.access_location, x509.UniformResourceIdentifier)
            ]
    return Addresses(_usable(crl), _usable(ocsp))


def _by_asn1crypto(der: bytes) -> Addresses:
    from asn1crypto import x509 as asn1_x509  # noqa: PLC0415 - for what the other reader refuses

    certificate = asn1_x509.Certificate.load(der)
    points = certificate.crl_distribution_points
    names: list[Any] = [name for point in points for name in point["distribution_point"].chosen]
    crl = [one.native for one in names if one.name == "uniform_resource_identifier"]
    return Addresses(_usable(crl), _usable(certificate.ocsp_urls))


def _usable(urls: Iterable[str]) -> tuple[str, ...]:
    web = [one for one in dict.fromkeys(urls) if one.lower().startswith(("http://", "https://"))]
    return tuple(web[:MOST_ADDRESSES])


def is_ca_certificate(der: bytes) -> bool:
    """Say whether a certificate may issue others; no for one that can't be read."""
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (*_READING_ERRORS, x509.ExtensionNotFound):
        return False


# ---- together ----------------------------------------------------------------------------------


def update_status(
    status: RevocationStatus,
    answers: Sequence[SourceAnswer],
    *,
    sources: Collection[str],
    now: datetime,
) -> None:
    """Write into a status what its sources say now, and what is wrong about it."""
    problems: list[str] = []
    for source in sources:
        mine = [one.answer for one in answers if one.source == source]
        problems += _note_source(status, source, mine, now)
    states = [_standing(status, source, now) for source in sources]
    status.state = _together(states)
    if status.state == REVOKED and status.first_observed_revoked_at is None:
        status.first_observed_revoked_at = _first_observed(status, sources)
    if len({one for one in states if one is not None}) > 1:
        problems.append(DISAGREEMENT)
    problems += _note_revocation(status, [one.answer for one in answers], states)
    status.checked_at = now
    status.problems = sorted(set(problems))
    status.detail = "; ".join(
        f"{one.source} {one.url} {one.answer.detail}" for one in answers if one.answer.detail
    )[:1000]
    if not sources:
        status.detail = NO_SOURCE


def _note_source(
    status: RevocationStatus, source: str, answers: Sequence[Answer], now: datetime
) -> list[str]:
    """Keep the newest state of one source; return what is wrong there."""
    sound = [one for one in answers if one.is_sound]
    problems = [flag for one in sound for flag in one.flags]
    if any(one.state == UNUSABLE for one in answers):
        problems.append(UNSOUND[source])
    if not sound:
        return problems
    states = {one.state for one in sound}
    state = states.pop() if len(states) == 1 else SPLIT
    ends = [one.next_update for one in sound if one.next_update is not None]
    setattr(status, f"{source}_state", state)
    setattr(status, f"{source}_until", min(ends, default=None))
    if state == REVOKED and getattr(status, f"{source}_revoked_at") is None:
        setattr(status, f"{source}_revoked_at", now)
    if state == GOOD:
        status.last_good_until = max([*ends, *filter(None, [status.last_good_until])], default=None)
    numbers = [one.number for one in sound if one.number is not None]
    if numbers:
        status.crl_number = str(max([*numbers, int(status.crl_number or 0)]))
    return problems + _state_problems(status, source, state)


def _state_problems(status: RevocationStatus, source: str, state: str) -> list[str]:
    found = []
    if state != REVOKED and getattr(status, f"{source}_revoked_at") is not None:
        found.append(UNREVOKED)
    if state == ON_HOLD:
        found.append(HELD)
    if state == UNKNOWN:
        found.append(OCSP_UNKNOWN)
    if state == SPLIT:
        found.append(DISAGREEMENT)
    return found


def _standing(status: RevocationStatus, source: str, now: datetime) -> str | None:
    """Return what a source said last, unless a good answer has run out since."""
    state: str | None = getattr(status, f"{source}_state")
    until: datetime | None = getattr(status, f"{source}_until")
    has_run_out = until is not None and until <= now
    return None if state == GOOD and has_run_out else state


def _together(states: Sequence[str | None]) -> str:
    """Return the state of the certificate: revoked or good only where every source says so."""
    if not states:
        return NOT_CHECKED
    if len(set(states)) > 1:
        return UNKNOWN
    return states[0] if states[0] in {GOOD, REVOKED} else UNKNOWN


def _first_observed(status: RevocationStatus, sources: Collection[str]) -> datetime | None:
    seen = [getattr(status, f"{source}_revoked_at") for source in sources]
    return max([one for one in seen if one is not None], default=None)


def _note_revocation(
    status: RevocationStatus, answers: Sequence[Answer], states: Sequence[str | None]
) -> list[str]:
    """Keep what the CA states about the revocation; the CRL, which comes first, has precedence."""
    revoked = [one for one in answers if one.state == REVOKED]
    if revoked:
        status.reason, status.asserted_revoked_at = revoked[0].reason, revoked[0].revoked_at
    elif REVOKED not in states:
        status.reason, status.asserted_revoked_at = None, None
    return [REASONS_DIFFER] if len({one.reason for one in revoked}) > 1 else []


def reason_problem(status: RevocationStatus, expected: Collection[int]) -> str | None:
    """Say whether the reason of a revocation fits what was expected; None if it does.

    Args:
        status: of the certificate.
        expected: the reasons that fit; empty if no rule says.
    """
    if not expected or status.reason is None or status.reason in expected:
        return None
    return REASON_MISSING if status.reason == 0 else REASON_WRONG
