"""The command `intake`: finds the command that was asked for and maps errors to exit statuses.

Modules of this folder import what is heavy inside their functions: start-up time is what an
investigator feels.
"""

import argparse
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module

from intake.errors import ConfigError, IntakeError, OutsideUnavailableError

# Every command and the module that adds it, in the order of the help.
COMMANDS = {
    "demo": "demo", "init": "init", "run": "run", "poll": "run", "check": "check",
    "import": "import_messages", "extract": "extract", "lint": "lint", "trace": "trace",
    "search": "search", "message": "message", "ticket": "ticket", "keys": "keys",
    "escalation": "escalation", "audit": "audit", "backup": "audit", "database": "database",
    "archive": "archive", "reconcile": "reconcile", "reprocess": "reprocess",
}  # fmt: skip
SHORT = frozenset({"trace"})  # people wait for these, and they hold little


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    command = named_command(given)
    try:
        with _without_collecting(command), ExitStack() as closing:
            options = build_parser(command).parse_args(given)
            options.closing = closing
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


@contextmanager
def _without_collecting(command: str | None) -> Iterator[None]:
    """Look for no garbage in a command that ends before that pays: it would take a tenth of it."""
    if command not in SHORT or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # else Python looks through all of it at its end
        gc.enable()


def environment_trouble(error: Exception) -> str | None:
    """Say what of the machine or the database failed, or None if it was our own fault."""
    from intake.database import is_environment_error

    if not is_environment_error(error):
        return None
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    return f"The database or this machine can't be used now: {reason}. Nothing was left half done; try again."


def named_command(arguments: Sequence[str]) -> str | None:
    """Return the command that was typed, or None if that takes a closer look."""
    rest = arguments[2:] if list(arguments[:1]) == ["--config"] else arguments
    return rest[0] if rest and rest[0] in COMMANDS else None


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser with every command, or with one: to know all takes a moment."""
    parser = argparse.ArgumentParser(
        prog="intake", description="Problem-report intake of a certificate authority."
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (before the command)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in dict.fromkeys(COMMANDS.values() if only is None else [COMMANDS[only]]):
        import_module(f"intake.cli.{module}").add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
