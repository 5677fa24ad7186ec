"""The linters outside this program, as the configuration names them."""

from collections.abc import Mapping
from typing import Protocol

from intake.certificates.linters import PKIMETAL, ZLINT
from intake.certificates.linting import Linter
from intake.config import LintersSection


class OutsideLinter(Linter, Protocol):
    """A linter outside this program."""

    def close(self) -> None:
        """Give back what it holds."""


def outside_linters(section: LintersSection) -> Mapping[str, OutsideLinter]:
    """Return the linters outside that are configured, by name."""
    found: dict[str, OutsideLinter] = {}
    if section.pkimetal_url is not None:
        from intake.certificates.with_pkimetal import Pkimetal  # noqa: PLC0415 - seldom needed

        found[PKIMETAL] = Pkimetal(section.pkimetal_url)
    if section.zlint is not None:
        from intake.certificates.with_zlint import Zlint  # noqa: PLC0415 - seldom needed

        found[ZLINT] = Zlint(section.zlint)
    return found
