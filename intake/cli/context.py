"""What a command works with: configuration, database, archive key, clock and actor."""

import argparse
import getpass
import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from intake.clock import Clock, standing_clock
from intake.config import Config, find_config, load_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from intake.database import Database


@dataclass(frozen=True)
class Context:
    """An opened installation."""

    config: Config
    database: "Database"
    clock: Clock
    actor: str

    @property
    def now(self) -> datetime:
        """Return the present instant; read it once per decision."""
        return self.clock()


def open_config(options: argparse.Namespace) -> Config:
    """Find, read and check the configuration."""
    return load_config(find_config(options.config))


def open_context(options: argparse.Namespace) -> Context:
    """Open the installation that the command is about.

    Raises:
        ConfigError: if the configuration has faults or the database was never made.
    """
    from intake.database import open_database

    config = open_config(options)
    database = open_database(config.database.url)
    close_at_end(options, database)
    if config.service.testing:
        mark_as_testing(database)
    return Context(config, database, standing_clock(config.service.testing), acting_user())


def close_at_end(options: argparse.Namespace, database: "Database") -> None:
    """Have `main` close a database when its command ends, however it ends."""
    if hasattr(options, "closing"):
        options.closing.callback(database.close)


def mark_as_testing(database: "Database") -> None:
    """Remember for good that times in this database may be invented."""
    from intake.tables import Fact

    with database.read() as session:
        if session.get(Fact, "testing") is not None:
            return
    with database.write() as session:
        session.merge(Fact(name="testing", value="true"))


def acting_user() -> str:
    """Return the operating-system user who acts, the one behind sudo if there is one."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: "Callable[[argparse.Namespace], int]",
    summary: str,
) -> argparse.ArgumentParser:
    """Add a command whose `run(options)` returns the exit status."""
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser
