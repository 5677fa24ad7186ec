"""The command `intake`: finds the command that was asked for and maps errors to exit statuses.

Modules of this folder import what is heavy inside their functions: start-up time is what an
investigator feels.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from intake.cli import (
    archive,
    audit,
    check,
    database,
    demo,
    escalation,
    extract,
    import_messages,
    init,
    keys,
    lint,
    message,
    reconcile,
    reprocess,
    run,
    search,
    ticket,
    trace,
)
from intake.errors import ConfigError, IntakeError, OutsideUnavailableError

GROUPS = (
    demo, init, run, check, import_messages, extract, lint, trace, search, message, ticket, keys,
    escalation, audit, database, archive, reconcile, reprocess,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        with ExitStack() as options.closing:
            return int(options.run(options))
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"configuration: {problem}\n")
        return error.exit_status
    except IntakeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        trouble = environment_trouble(error)
        if trouble is None:
            raise
        sys.stderr.write(f"{trouble}\n")
        return OutsideUnavailableError.exit_status


def environment_trouble(error: Exception) -> str | None:
    """Say what of the machine or the database failed, or None if it was our own fault."""
    from intake.database import is_environment_error

    if not is_environment_error(error):
        return None
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    return f"The database or this machine can't be used now: {reason}. Nothing was left half done; try again."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    parser = argparse.ArgumentParser(
        prog="intake", description="Problem-report intake of a certificate authority."
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (before the command)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
