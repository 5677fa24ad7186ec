"""Asks the CRL and the OCSP responder that a certificate of ours names.

A CRL is fetched once for all certificates on it: a report may name thousands of them.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from intake.certificates.crl import SoundCrl, open_crl
from intake.certificates.fetch import Fetched, Fetcher, FetchError, HostDownError
from intake.certificates.ocsp import REQUEST_TYPE, make_request, read_response
from intake.certificates.ownership import IssuingCa
from intake.certificates.revocation import (
    CRL,
    OCSP,
    Addresses,
    Answer,
    SourceAnswer,
    unavailable,
    unusable,
)

MIB = 1 << 20
MOST_CRL_BYTES = 64 * MIB
MOST_OCSP_BYTES = MIB
CRL_KEPT_SECONDS = 60.0  # for the other certificates on the same list
MOST_CRLS_KEPT = 20
DOWN_SECONDS = 60.0  # for which a responder that does not answer is not waited for again


@dataclass(frozen=True)
class Question:
    """One certificate to ask about; its signature has proved it ours."""

    ca: IssuingCa  # who signed it
    addresses: Addresses
    serial_number: int
    is_ca: bool = False
    lowest_number: int | None = None  # the highest CRLNumber seen so far


@dataclass(frozen=True)
class _Kept:
    """A CRL that was fetched a moment ago."""

    at: float
    fetched_at: datetime
    opened: SoundCrl | Answer
    fetched: Fetched = field(default_factory=lambda: Fetched(b""))


class RevocationClient:
    """Asks; safe to use from several threads."""

    def __init__(
        self, fetcher: Fetcher, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what fetches."""
        self._fetcher, self._monotonic = fetcher, monotonic
        self._crls: dict[tuple[str, bytes], _Kept] = {}
        self._down: dict[str, tuple[float, str]] = {}  # by address: since when, and why
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._fetcher.close()

    def ask(self, question: Question, now: datetime) -> list[SourceAnswer]:
        """Return what every address says, the CRLs first."""
        crls = [self._ask_crl(question, url, now) for url in question.addresses.crl]
        return crls + [self._ask_ocsp(question, url, now) for url in question.addresses.ocsp]

    def _ask_crl(self, question: Question, url: str, now: datetime) -> SourceAnswer:
        kept = self._crl(question.ca, url, now)
        answer = (
            kept.opened
            if isinstance(kept.opened, Answer)
            else kept.opened.answer(
                question.serial_number, is_ca=question.is_ca, lowest=question.lowest_number
            )
        )
        return SourceAnswer(CRL, url, answer, kept.fetched.body or None, kept.fetched.headers)

    def _crl(self, ca: IssuingCa, url: str, now: datetime) -> _Kept:
        with self._lock:
            kept = self._crls.get((url, ca.certificate))
            if kept is not None and self._is_fresh(kept, now):
                return kept
            kept = self._fetch_crl(ca, url, now)
            while len(self._crls) >= MOST_CRLS_KEPT:
                self._crls.pop(next(iter(self._crls)))
            self._crls[url, ca.certificate] = kept
            return kept

    def _is_fresh(self, kept: _Kept, now: datetime) -> bool:
        """Say whether a list was fetched a moment ago, by the wall clock too: it may have been set."""
        apart = abs((now - kept.fetched_at).total_seconds())
        return max(self._monotonic() - kept.at, apart) < CRL_KEPT_SECONDS

    def _fetch_crl(self, ca: IssuingCa, url: str, now: datetime) -> _Kept:
        try:
            fetched = self._fetcher.fetch(url, most_bytes=MOST_CRL_BYTES)
        except FetchError as error:
            return _Kept(self._monotonic(), now, unavailable(str(error)))
        opened = open_crl(fetched.body, ca=ca, url=url, now=now)
        return _Kept(self._monotonic(), now, opened, fetched)

    def _ask_ocsp(self, question: Question, url: str, now: datetime) -> SourceAnswer:
        try:
            request = make_request(question.ca, question.serial_number)
        except ValueError:
            return SourceAnswer(OCSP, url, unusable("there is no way to ask about such a number"))
        since, why = self._down.get(url, (float("-inf"), ""))
        if self._monotonic() - since < DOWN_SECONDS:
            return SourceAnswer(OCSP, url, unavailable(why))
        try:
            fetched = self._fetcher.fetch(
                url, most_bytes=MOST_OCSP_BYTES, post=request, content_type=REQUEST_TYPE
            )
        except FetchError as error:
            if isinstance(error, HostDownError):
                self._down[url] = (self._monotonic(), str(error))
            return SourceAnswer(OCSP, url, unavailable(str(error)))
        answer = read_response(
            fetched.body, ca=question.ca, serial_number=question.serial_number, now=now
        )
        return SourceAnswer(OCSP, url, answer, fetched.body, fetched.headers)
