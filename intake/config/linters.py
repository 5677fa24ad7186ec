"""The table [linters]: what looks at certificates beside the linters that are built in."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from intake.config.values import Name, Section, WebAddress, fault

PUBLIC = "pkimet.al"


class LintersSection(Section):
    """Linters beside those that are built in; what stands here must have looked at a certificate."""

    pkimetal_url: WebAddress | None = None  # of an instance of our own
    zlint: Name | None = None  # the program: a name on the PATH, or a path
    badkeys_blocklist: bool = Field(default=False, strict=True)  # its list must be installed

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        if self.pkimetal_url is not None and is_public_pkimetal(self.pkimetal_url):
            raise fault(
                "is the public instance, which must not see what nobody has logged",
                "run pkimetal yourself: reports hold certificates that are not public",
                key="pkimetal_url",
                value=repr(self.pkimetal_url),
            )
        return self


def is_public_pkimetal(url: str) -> bool:
    """Say whether an address belongs to the public pkimetal service."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host == PUBLIC or host.endswith(f".{PUBLIC}")
