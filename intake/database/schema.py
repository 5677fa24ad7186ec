"""Opening a database: whether it was made, whether this program knows its schema."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from intake.database.engine import make_engine, sqlite_path
from intake.database.sessions import Database
from intake.errors import ConfigError, ConfigProblem, OutsideUnavailableError, VerificationError

SCHEMA_VERSION = "0001"  # the newest migration that this program knows
NEEDED_ON = ("fsync", "full_page_writes", "synchronous_commit")  # settings of PostgreSQL
UNFINISHED_COPY = "unfinished_copy"  # fact of a database that `intake database copy` still fills


def open_database(url: str, *, busy_timeout: float | None = None) -> Database:
    """Open an existing database and make sure that this program knows its schema.

    Raises:
        ConfigError: if it was never initialised, or is an unfinished copy.
        VerificationError: if its schema is newer than this program, or it is no database.
        OutsideUnavailableError: if it can't be reached.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise ConfigError(
            [ConfigProblem("database.url", url, "there is no database here", "run `intake init`")]
        )
    database = Database(make_engine(url, busy_timeout=busy_timeout))
    try:
        _require_known_schema(database)
        _require_whole(database)
    except Exception:
        database.close()
        raise
    return database


def _require_known_schema(database: Database) -> None:
    """Bring an older schema up to date; refuse a missing and a newer one."""
    version = schema_version(database)
    if version is None:
        raise _unusable(database, "this database is empty", "run `intake init`")
    if version > SCHEMA_VERSION:
        text_ = (
            f"The database has schema {version}, this program knows {SCHEMA_VERSION} at most. "
            "Install the newer intake that wrote it; nothing was changed."
        )
        raise VerificationError(text_)
    if version < SCHEMA_VERSION:
        upgrade(database)


def _require_whole(database: Database) -> None:
    if copy_source(database) is not None:
        fix = "run `intake database copy` again, which goes on where it stopped"
        raise _unusable(database, "is a copy that was never finished", fix)


def copy_source(database: Database) -> str | None:
    """Return what an unfinished copy is a copy of, None for a database that is whole."""
    with database.engine.connect() as connection:
        statement = text("SELECT value FROM fact WHERE name = :name")
        row = connection.execute(statement, {"name": UNFINISHED_COPY}).first()
        return None if row is None else str(row[0])


def initialise_database(url: str, *, busy_timeout: float | None = None) -> tuple[Database, bool]:
    """Make the tables where there are none; return the database and whether it was made now.

    Raises:
        ConfigError: if PostgreSQL's database stores or sorts text in a way that would not do.
        OutsideUnavailableError: if it can't be reached.
    """
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(make_engine(url, busy_timeout=busy_timeout))
    try:
        made = schema_version(database) is None
        if made:
            _require_plain_text(database)
            upgrade(database)
            return database, True
    except Exception:
        database.close()
        raise
    database.close()
    return open_database(url, busy_timeout=busy_timeout), False


def _require_plain_text(database: Database) -> None:
    """Refuse a database whose indexes would sort text by the rules of a language.

    Searches by the beginning of a text need the order of its bytes, and an index in the order of
    a language goes wrong silently when an upgrade of the system changes that order.
    """
    if database.is_sqlite:
        return
    with database.engine.connect() as connection:
        encoding = connection.scalar(text("SHOW server_encoding"))
        in_order = connection.scalar(text("SELECT 'Z' < 'a' AND 'a-b' < 'aa' AND 'z' < 'é'"))
    if encoding != "UTF8" or not in_order:
        rule = "this database does not keep text as UTF-8 in the order of its bytes"
        fix = "make it anew: createdb --template=template0 --encoding=UTF8 --locale=C NAME"
        raise _unusable(database, rule, fix)


def unsafe_settings(database: Database) -> list[str]:
    """Return the settings of PostgreSQL with which a committed transaction could be lost."""
    if database.is_sqlite:
        return []
    with database.engine.connect() as connection:
        found = {one: connection.scalar(text(f"SHOW {one}")) for one in NEEDED_ON}
    return [f"{name} = {value}" for name, value in found.items() if value != "on"]


def schema_version(database: Database) -> str | None:
    """Return the schema's version, or None where there is no schema."""
    try:
        with database.engine.connect() as connection:
            if not database.engine.dialect.has_table(connection, "alembic_version"):
                return None
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            return None if row is None else str(row[0])
    except DBAPIError as error:
        if "not a database" in str(error.orig):
            message = f"{database.engine.url} is not a database: {error.orig}"
            raise VerificationError(message) from error
        message = f"The database {database.engine.url!r} can't be opened: {error.orig}"
        raise OutsideUnavailableError(message) from error


def upgrade(database: Database) -> None:
    """Run the migrations that are missing."""
    from alembic import command  # noqa: PLC0415 - slow to import, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    config.attributes["engine"] = database.engine
    command.upgrade(config, "head")


def _unusable(database: Database, rule: str, fix: str) -> ConfigError:
    shown = database.engine.url.render_as_string(hide_password=True)
    return ConfigError([ConfigProblem("database.url", shown, rule, fix)])
