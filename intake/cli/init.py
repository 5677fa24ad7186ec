"""`intake init`: the archive key and the database, at the configured places.

Nothing is ever overwritten, and no new key is made for an archive that is sealed under another.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from intake.cli.context import (
    acting_user,
    add_command,
    close_at_end,
    mark_as_testing,
    open_config,
)
from intake.cli.output import print_line
from intake.clock import standing_clock
from intake.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from intake.archive.seal import ArchiveKey
    from intake.config import Config


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `init`."""
    add_command(commands, "init", run, "make the archive key and the database; never overwrites")


def run(options: argparse.Namespace) -> int:
    """Make what is missing, and say what to do next."""
    from intake.archive.seal import remember_key
    from intake.database import initialise_database
    from intake.events import record_event

    config = open_config(options)
    key, key_is_new = _key(config)
    try:
        database, database_is_new = initialise_database(config.database.url)
    except PermissionError as error:
        raise _refused("database.url", config.database.url, error) from None
    close_at_end(options, database)
    _protect(config.database.url)
    if config.service.testing:
        mark_as_testing(database)
    with database.write() as session:
        remember_key(session, key)
        if database_is_new:
            record_event(
                session,
                "installation_initialised",
                actor=acting_user(),
                now=standing_clock(config.service.testing)(),
                key_made=key_is_new,
            )
    _say(config, key_is_new=key_is_new, database_is_new=database_is_new)
    return 0


def _key(config: "Config") -> "tuple[ArchiveKey, bool]":
    """Return the archive key, made now if there is none and nothing is sealed yet."""
    from intake.archive.seal import ArchiveKey

    secret = config.archive.key
    path = None if secret.env else secret.path()
    if path is None or path.exists():
        return ArchiveKey.load(secret), False
    if _is_sealed_already(config):
        rule = "the key is missing, and the database was made with it"
        fix = "put the copy of the key file back that you kept; a new key would open nothing"
        raise ConfigError([ConfigProblem(secret.key, str(path), rule, fix)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return ArchiveKey.create(path), True
    except OSError as error:
        raise _refused(secret.key, str(path), error) from None


def _is_sealed_already(config: "Config") -> bool:
    from intake.archive.seal import KEY_CHECK
    from intake.database import Database, make_engine, schema_version, sqlite_path
    from intake.tables import Fact

    file = sqlite_path(config.database.url)
    if file is not None and not file.exists():
        return False
    database: Database = Database(make_engine(config.database.url))
    try:
        if schema_version(database) is None:
            return False
        with database.read() as session:
            return session.get(Fact, KEY_CHECK) is not None
    finally:
        database.close()


def _protect(url: str) -> None:
    """Let only the owner read the database: subjects and words of mail stand in it unsealed."""
    from intake.database import sqlite_path

    file = sqlite_path(url)
    for path in (Path(f"{file}{end}") for end in ("", "-wal", "-shm")) if file else ():
        if path.exists():
            path.chmod(0o600)


def _refused(key: str, where: str, error: OSError) -> ConfigError:
    fix = "give this user the right to write there, or name another place"
    return ConfigError([ConfigProblem(key, where, f"can't be made: {error.strerror}", fix)])


def _say(config: "Config", *, key_is_new: bool, database_is_new: bool) -> None:
    key = config.archive.key
    where = f"${key.env}" if key.env else str(key.path())
    print_line(f"archive key  {where}: {'made' if key_is_new else 'was there; left as it is'}")
    made = "made" if database_is_new else "was there; left as it is"
    print_line(f"database     {_without_password(config.database.url)}: {made}")
    if config.service.testing:
        print_line("testing      on: this database may hold invented times, and never serves")
    print_line()
    if key_is_new:
        print_line("Keep a copy of the key now, apart from the backup: without it no archived")
        print_line("message can ever be read again, and beside the backup it protects nothing.")
        print_line()
    print_line("Next:")
    print_line("  intake check --live   tries everything outside, and says what to mend")
    print_line("  intake run            is the service")


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
