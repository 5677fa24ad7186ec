"""Checks of our own: what the linters leave out and reporters do report; pure.

Source: BR 3.2.2.6, 4.2.2, 7.1.2.7, 7.1.4.3; RFC 5280 4.2.1.6.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from types import MappingProxyType

from intake.certificates.contents import Contents, contents_of
from intake.certificates.der import CertificateParts
from intake.certificates.findings import Finding, Severity, make_finding
from intake.certificates.lint_rules import FIRST, INTERNAL_NAMES, LETTER_FOR_LETTER, TLS
from intake.certificates.linters import OWN
from intake.certificates.read import CertificateFacts
from intake.certificates.top_level import is_public_suffix, list_version, top_level_of

NAME = OWN
CHECKS_VERSION = 1  # raise it when a check changes, so that certificates are checked anew
LEAST_BITS = 64  # of a serial number
MOST_NAMES = 10_000  # that are looked at one by one
MOST_FINDINGS = 50  # of each check
LONGEST_NAME = 253
COMMON_NAME_CODE = f"{TLS}subscriber_common_name_unknown_source"
INTERNAL_CODES = ("cabf.internal_domain_name", "cabf.internal_ip_address")


@functools.cache
def own_version() -> str:
    """Return the version of these checks: of the program, the checks and the list of suffixes."""
    return f"{version('cpr-intake')}+checks.{CHECKS_VERSION}.suffixes.{list_version()}"


def warm_up() -> None:
    """Read the list of suffixes."""
    is_public_suffix("example.com")
    own_version()


def check_certificate(facts: CertificateFacts, parts: CertificateParts) -> list[Finding]:
    """Return what is wrong by our own checks.

    Args:
        facts: what the readers gave.
        parts: the same certificate, taken apart.
    """
    contents = contents_of(parts)
    return [
        *_serial_number(facts, contents),
        *_duplicates(facts, contents),
        *_names(facts, contents),
        *_case(facts, contents),
    ]


def days_in_force(facts: CertificateFacts, contents: Contents) -> Mapping[str, date]:
    """Return rules that came into force for this certificate on another day than the table's.

    Internal names were allowed until November 2015 if the certificate ended by then. That case
    matters in a common name came with ballot SC48. Source: BR 9.2.1 (1.0); BR 7.1.4.3.
    """
    days: dict[str, date] = {}
    if facts.not_after is not None and facts.not_after > _instant(INTERNAL_NAMES):
        days = dict.fromkeys((*INTERNAL_CODES, "names.not_in_public_dns"), FIRST)
    if _differs_in_case(contents):
        days[COMMON_NAME_CODE] = LETTER_FOR_LETTER
    return MappingProxyType(days)


def _found(
    facts: CertificateFacts, code: str, severity: Severity, message: str = "", **more: date | None
) -> Finding:
    return make_finding(
        NAME, code, severity, message=message, issued_at=facts.not_before, since=more.get("since")
    )


def _serial_number(facts: CertificateFacts, contents: Contents) -> Iterator[Finding]:
    if contents.is_ca or facts.serial_number is None:
        return
    bits = int(facts.serial_number, 16).bit_length()
    if bits < LEAST_BITS:
        yield _found(
            facts,
            "serial_number.short",
            "notice",
            f"The serial number has {bits} bits. Random ones of 64 bits are as short every second"
            " time: look whether others of the CA are too.",
        )


def _duplicates(facts: CertificateFacts, contents: Contents) -> Iterator[Finding]:
    counts = Counter(name.lower() for name in contents.dns_names)
    twice = [(name, count) for name, count in counts.items() if count > 1]
    for name, count in twice[:MOST_FINDINGS]:
        yield _found(facts, "names.duplicate", "notice", f"{_shown(name)} stands {count} times")


def _names(facts: CertificateFacts, contents: Contents) -> Iterator[Finding]:
    if not contents.is_for_servers:
        return
    listed = set(contents.dns_names)
    hosts = [name for name in _host_names(contents) if name not in listed]
    names = dict.fromkeys([*contents.dns_names[:MOST_NAMES], *hosts])
    found = [
        one
        for name in names
        if name and len(name) <= LONGEST_NAME
        for one in (
            *_wildcard(facts, name),
            *_not_public(facts, contents, name, is_listed=name in listed),
        )
    ]
    yield from found[:MOST_FINDINGS]


def _wildcard(facts: CertificateFacts, name: str) -> Iterator[Finding]:
    base = name.removeprefix("*.")
    if base != name and is_public_suffix(base):
        text = f"{_shown(name)} stands for every name that anybody registers under {_shown(base)}"
        yield _found(facts, "names.wildcard_over_public_suffix", "error", text)


def _not_public(
    facts: CertificateFacts, contents: Contents, name: str, *, is_listed: bool
) -> Iterator[Finding]:
    """Say why nobody could own a name when it was issued; in doubt somebody could.

    Alternative names under what is no top-level domain today are pkilint's to find.
    """
    top = top_level_of(name)
    since, issued_at = top.not_before, facts.not_before
    if not (top.is_listed or top.was_listed):
        if is_listed or name.replace(".", "").isdecimal():
            return
        why = "its last label is no top-level domain"
    elif since is not None and issued_at is not None and issued_at.date() < since:
        why = f"its top-level domain was agreed on {since}, after the certificate was issued"
    else:
        return
    code = "names.not_in_public_dns"
    day = days_in_force(facts, contents).get(code)
    yield _found(facts, code, "error", f"{_shown(name)}: {why}", since=day)


def _host_names(contents: Contents) -> Iterator[str]:
    """Yield common names that are meant as names of hosts."""
    for name in contents.common_names:
        if name.isascii() and "." in name and not set(name) & set(" ,@/:"):
            yield name


def _case(facts: CertificateFacts, contents: Contents) -> Iterator[Finding]:
    if contents.is_for_servers:
        for name in _differs_in_case(contents):
            yield _found(
                facts,
                "names.common_name_in_other_case",
                "notice",
                f"{_shown(name)} stands among the alternative names in other case only",
            )


def _differs_in_case(contents: Contents) -> list[str]:
    exact = set(contents.dns_names)
    folded = {name.lower() for name in exact}
    return [name for name in contents.common_names if name not in exact and name.lower() in folded]


def _shown(name: str) -> str:
    return ascii(name[:LONGEST_NAME])


def _instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
