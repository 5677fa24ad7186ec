"""The errors that a person is meant to read, each with its exit status.

`cli/main.py` has the single handler: it prints the text and ends with `exit_status`.
"""

from dataclasses import dataclass


class IntakeError(Exception):
    """Something a person must know; the message says what, where and the fix."""

    exit_status = 1


class UsageError(IntakeError):
    """The command was called in a way it does not know."""

    exit_status = 2


@dataclass(frozen=True)
class ConfigProblem:
    """One fault of a configuration: where it stands, what stands there, the rule and the fix."""

    key: str
    value: str
    rule: str
    fix: str

    def __str__(self) -> str:
        """Return one line for the terminal."""
        return f"{self.key} = {self.value}: {self.rule}. Fix: {self.fix}"


class ConfigError(IntakeError):
    """The configuration can't be used; every fault found is named."""

    exit_status = 3

    def __init__(self, problems: list[ConfigProblem]) -> None:
        """Keep all problems, so that one run shows everything that is to be mended."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class OutsideUnavailableError(IntakeError):
    """Something outside (a mailbox, a database) is away; nothing was lost."""

    exit_status = 4


class VerificationError(IntakeError):
    """Stored data do not verify: wrong archive key, changed bytes, a broken event chain."""

    exit_status = 5
