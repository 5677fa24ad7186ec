"""The linters outside this program, as the configuration names them."""

from collections.abc import Mapping

from intake.certificates.linters import PKIMETAL, ZLINT
from intake.certificates.linting import Linter
from intake.config import LintersSection


def outside_linters(section: LintersSection) -> Mapping[str, Linter]:
    """Return the linters outside that are configured, by name."""
    found: dict[str, Linter] = {}
    if section.pkimetal_url is not None:
        from intake.certificates.with_pkimetal import Pkimetal  # noqa: PLC0415 - seldom needed

        found[PKIMETAL] = Pkimetal(section.pkimetal_url)
    if section.zlint is not None:
        from intake.certificates.with_zlint import Zlint  # noqa: PLC0415 - seldom needed

        found[ZLINT] = Zlint(section.zlint)
    return found
