"""What the tickets need from the configuration, as one value that is made once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from typing import TYPE_CHECKING

from intake.certificates.linters import ALWAYS, required_linters
from intake.certificates.ownership import IssuingCas
from intake.config import Config
from intake.tickets.escalation import Step, report_steps

if TYPE_CHECKING:
    from intake.archive.seal import ArchiveKey

TOKEN_DIGITS = 8  # of a ticket's token in subjects: [CPR-12-1a2b3c4d]


@dataclass(frozen=True)
class Chains:
    """Who is told when: the escalation chain, and the one of preliminary reports."""

    channel: str
    acknowledgement: tuple[Step, ...]
    reports: tuple[Step, ...]

    @classmethod
    def from_config(cls, config: Config) -> "Chains":
        """Take the chains from a configuration, with every recipient resolved."""
        steps = tuple(
            Step(step.after, tuple(config.recipients(step)), step.every)
            for step in sorted(config.escalation.step, key=lambda one: one.after)
        )
        return cls(config.slack.channel, steps, report_steps(config.slack.managers))


@dataclass(frozen=True)
class Desk:
    """What the tickets need from the configuration."""

    chains: Chains
    token: Callable[[str, str], str]  # purpose and text → hex digits that only we can make
    issuing_cas: IssuingCas = field(default_factory=IssuingCas)
    addresses: frozenset[str] = frozenset()  # ours, lower case: what comes from them may be ours
    digest_at: time = time(8)  # UTC
    linters: frozenset[str] = frozenset(ALWAYS)  # that must have looked at a certificate

    @property
    def channel(self) -> str:
        """Return the Slack channel of the cards."""
        return self.chains.channel

    @classmethod
    def from_config(cls, config: Config, key: "ArchiveKey", issuing_cas: IssuingCas) -> "Desk":
        """Make the value from the configuration, the archive key and our CAs."""
        addresses = {one.lower() for box in config.mailbox for one in box.addresses}
        if config.smtp is not None:
            addresses.add(config.smtp.sender.lower())
        return cls(
            chains=Chains.from_config(config),
            token=key.token,
            issuing_cas=issuing_cas,
            addresses=frozenset(addresses),
            digest_at=time.fromisoformat(config.service.digest_at),
            linters=required_linters(config.linters),
        )
