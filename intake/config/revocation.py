"""The table [revocation]: how the revocation of our own certificates is watched."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from intake.config.values import Duration, Name, Section, fault, render_duration

SHORTEST_LOOK, LONGEST_LOOK = timedelta(minutes=1), timedelta(hours=24)


class RevocationSection(Section):
    """How often CRL and OCSP are asked, and which hosts may lie in our own network."""

    every: Duration = timedelta(hours=1)
    urgent_every: Duration = timedelta(minutes=10)  # while it is owed soon, or was claimed
    timeout: Duration = timedelta(seconds=20)
    allow_hosts: list[Name] = Field(default_factory=list)  # that may have private addresses

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        for key, value in (("every", self.every), ("urgent_every", self.urgent_every)):
            if not SHORTEST_LOOK <= value <= LONGEST_LOOK:
                raise fault(
                    "must be between 1m and 24h",
                    "leave it out: the default fits",
                    key=key,
                    value=repr(render_duration(value)),
                )
        return self
