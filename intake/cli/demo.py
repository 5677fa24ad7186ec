"""`intake demo`: the whole job with no set-up, against stand-ins on this machine."""

import argparse

from intake.cli.context import add_command
from intake.errors import UsageError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `demo`."""
    parser = add_command(commands, "demo", run, "the whole job, with no set-up")
    parser.add_argument(
        "--once", action="store_true", help="handle everything, print the tickets, and end"
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    try:
        from intake.demo.story import tell_story
    except ModuleNotFoundError as error:
        message = (
            f"The demo needs the Python package {error.name}, which is not installed. "
            "Install cpr-intake with its extra: pip install 'cpr-intake[demo]'"
        )
        raise UsageError(message) from None
    return tell_story(once=options.once)
