"""The linters by name, and which of them must have looked at a certificate; quick to import."""

from intake.config import LintersSection

OWN, PKILINT, BADKEYS, BLOCK_LIST = "intake", "pkilint", "badkeys", "badkeys-blocklist"
BUILT_IN = (PKILINT, OWN, BADKEYS, BLOCK_LIST)
ALWAYS = (PKILINT, OWN, BADKEYS)
PKIMETAL, ZLINT = "pkimetal", "zlint"
OUTSIDE = (PKIMETAL, ZLINT)


def required_linters(section: LintersSection) -> frozenset[str]:
    """Return the names of the linters without which a certificate does not count as linted."""
    more = {
        BLOCK_LIST: section.badkeys_blocklist,
        PKIMETAL: section.pkimetal_url is not None,
        ZLINT: section.zlint is not None,
    }
    return frozenset([*ALWAYS, *(name for name, holds in more.items() if holds)])
