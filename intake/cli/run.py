"""`intake run`: the service. `intake poll`: one pass of everything that is due."""

import argparse
import logging
import os
import signal
import threading

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_warning
from intake.errors import ConfigError, ConfigProblem, OutsideUnavailableError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `run` and `poll`."""
    add_command(commands, "run", run, "the service: reads the mailboxes until it is stopped")
    add_command(commands, "poll", poll, "one pass of everything that is due now")


def run(options: argparse.Namespace) -> int:
    """Run the service until SIGTERM or Ctrl-C."""
    from intake.database import one_writer
    from intake.logs import log_thread_failure
    from intake.service import Service, assemble

    threading.excepthook = log_thread_failure
    context = open_context(options)
    _start_logging(context)
    refuse_invented_times(context)
    require_files(context)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        one_writer(context.database) as leader,
        assemble(context.config, context.database, context.clock) as parts,
    ):
        service = Service(parts, leader, on_lost=stop.set)
        service.start()
        logging.getLogger(__name__).info("reading %d mailbox(es)", len(context.config.mailbox))
        stop.wait()
        service.stop()
    if service.lost is not None:  # status 4: systemd starts us again, and we wait for our turn
        raise service.lost
    return 0


def poll(options: argparse.Namespace) -> int:
    """Do one pass and end; status 4 if a mailbox could not be read."""
    from intake.service import poll_once

    context = open_context(options)
    _start_logging(context)
    require_files(context)
    troubles = poll_once(context.config, context.database, context.clock)
    for trouble in troubles:
        print_warning(trouble)
    return OutsideUnavailableError.exit_status if troubles else 0


def refuse_invented_times(context: Context) -> None:
    """Refuse to serve where times may be invented: the clock of 24 hours must be a real one."""
    from intake.tables import Fact

    with context.database.read() as session:
        tested = session.get(Fact, "testing") is not None
    if context.config.service.testing or tested:
        fix = "use a new database.url and testing = false for the real service"
        rule = "this installation was used for testing, where INTAKE_NOW may stand for the time"
        raise ConfigError([ConfigProblem("service.testing", "true", rule, fix)])


def require_files(context: Context) -> None:
    """Read every secret once, so that what is missing is named now and not at 3 a.m."""
    from intake.config import require_files as require

    require(context.config)


def _start_logging(context: Context) -> None:
    from intake.logs import start_logging

    in_journal = "JOURNAL_STREAM" in os.environ
    start_logging(context.config.service.log_format, in_journal=in_journal)
