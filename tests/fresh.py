"""Empty databases, made by the real migrations once for each test process and then copied."""

import tempfile
from functools import cache
from pathlib import Path

from intake.database import Database, initialise_database, open_database, sqlite_path


def fresh_database(url: str, *, busy_timeout: float | None = None) -> Database:
    """Return a new empty database; on PostgreSQL the migrations run."""
    path = sqlite_path(url)
    if path is None:
        return initialise_database(url, busy_timeout=busy_timeout)[0]
    path.write_bytes(_empty_file())
    return open_database(url, busy_timeout=busy_timeout)


@cache
def _empty_file() -> bytes:
    with tempfile.TemporaryDirectory(prefix="intake-empty-") as folder:
        initialise_database(f"sqlite:///{folder}/intake.db")[0].close()
        assert [one.name for one in Path(folder).iterdir()] == ["intake.db"]  # no WAL beside it
        return (Path(folder) / "intake.db").read_bytes()
