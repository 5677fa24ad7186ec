"""Starting a command costs what it imports, and an investigator waits for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from intake.archive.seal import ArchiveKey, remember_key
from intake.cli.main import COMMANDS, build_parser, named_command
from intake.database import initialise_database
from tests.builders import make_config

# What only the service, a worker or another command needs; each costs tens of milliseconds.
HEAVY = (
    "aiohttp", "alembic", "apscheduler", "asn1crypto", "badkeys", "cryptography.x509", "httpx",
    "imapclient", "mailparser", "olefile", "pkilint", "prometheus_client", "psycopg",
    "publicsuffixlist", "pyasn1", "pypdf", "rich", "selectolax", "slack_sdk", "zstandard",
    "sqlalchemy.dialects.postgresql", "multiprocessing",
    "intake.evidence", "intake.mailbox.imap", "intake.notices", "intake.pipeline", "intake.service",
    "intake.tickets", "intake.workers",
    "intake.cli.check", "intake.cli.demo", "intake.cli.run", "intake.cli.ticket",
)  # fmt: skip
TRACE = """
import gc
import sys
from intake.cli.main import main
collections = sum(one["collections"] for one in gc.get_stats())
status = main(["--config", sys.argv[1], "trace", "<nobody@example.com>"])
assert sum(one["collections"] for one in gc.get_stats()) - collections < 20
assert gc.isenabled()
print(*(name for name in sys.argv[2:] if name in sys.modules), file=sys.stderr)
sys.exit(status)
"""


def test_a_trace_loads_nothing_heavy(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    database, _ = initialise_database(config.database.url)
    with database.write() as session:
        remember_key(session, ArchiveKey.create(tmp_path / "archive.key"))
    database.close()

    command = [sys.executable, "-c", TRACE, str(config.path), *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "NOT_SEEN_WITH_COVERAGE_GAPS" in done.stdout
    assert (done.stderr.split(), done.returncode) == ([], 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_known_by_itself_too(command: str) -> None:
    whole, alone = build_parser(), build_parser(command)

    assert help_of(alone, command) == help_of(whole, command)


def help_of(parser: object, command: str) -> str:
    (choices,) = (one.choices for one in parser._actions if one.dest == "command")  # type: ignore[attr-defined]
    return choices[command].format_help()


def test_commands_stand_in_the_help_as_they_are_listed() -> None:
    (choices,) = (one.choices for one in build_parser()._actions if one.dest == "command")

    assert choices is not None
    assert list(choices) == list(COMMANDS)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (["trace", "<a@b>"], "trace"),
        (["--config", "run", "trace", "x"], "trace"),
        (["--config=trace", "run"], None),
        (["--config", "trace"], None),
        (["--help"], None),
        (["no-such"], None),
        ([], None),
    ],
)
def test_the_command_is_found_where_it_is_typed(typed: list[str], command: str | None) -> None:
    assert named_command(typed) == command
