"""What `intake check` says of the linters: which are there, and what nobody looks for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from intake.cli.check import Item

if TYPE_CHECKING:
    from intake.config import Config

TRIED = "looking for its version"


def built_in(config: "Config") -> Iterator[Item]:
    """Look for the linters that ask nobody outside."""
    from intake.certificates.linters import BLOCK_LIST
    from intake.certificates.linting import built_in_versions

    for name, version in built_in_versions().items():
        if version:
            yield Item(f"linter {name}", TRIED, "ok", version)
        elif name == BLOCK_LIST:
            found = "is not installed: leaked keys and Debian weak keys are not looked for"
            fix = "as the user of the service: badkeys --update-bl, and again now and then"
            result = "failed" if config.linters.badkeys_blocklist else "warning"
            yield Item(f"linter {name}", TRIED, result, found, fix)  # type: ignore[arg-type] # literals
        else:
            fix = "install the program again: make install"
            yield Item(f"linter {name}", TRIED, "failed", "is not installed", fix)


def outside(config: "Config") -> Iterator[Item]:
    """Ask the linters outside for their versions."""
    from intake.certificates.outside_linters import outside_linters

    for name, linter in outside_linters(config.linters).items():
        version = linter.version()
        linter.close()
        if version:
            yield Item(f"linter {name}", TRIED, "ok", version)
        else:
            fix = "start or install it, or take it out of [linters]; tickets don't wait for it"
            yield Item(f"linter {name}", TRIED, "failed", "it does not answer", fix)
