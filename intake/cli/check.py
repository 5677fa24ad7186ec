"""`intake check`: the configuration and the stored data; with `--live` every outside thing too.

One item a line: what was tried, the result, the fix. A warning leaves status 0; what failed gives
the exit status of its kind.
"""

import argparse
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from intake.cli.context import Context, add_command, open_config, open_context
from intake.cli.output import harmless, print_json
from intake.errors import ConfigError, ConfigProblem, IntakeError, VerificationError

if TYPE_CHECKING:
    from intake.config import Config, Secret

Result = Literal["ok", "warning", "failed", "not_tried"]
WORDS: dict[str, str] = {
    "ok": "ok",
    "warning": "WARNING",
    "failed": "FAILED",
    "not_tried": "not tried",
}
WAITS_TOO_LONG = timedelta(minutes=15)
PROBE_SECONDS = 120


@dataclass(frozen=True)
class Item:
    """One thing that was looked at."""

    item: str
    tried: str
    result: Result
    detail: str = ""  # what was found
    fix: str = ""


@dataclass
class Report:
    """All items; in text each is printed as soon as it is known."""

    as_json: bool
    items: list[Item] = field(default_factory=list)
    problems: list[ConfigProblem] = field(default_factory=list)
    status: int = 0

    def add(self, items: Iterable[Item]) -> None:
        """Take items one by one."""
        for item in items:
            self.items.append(item)
            if item.result == "failed":
                self.status = max(self.status, 1)
            if not self.as_json:
                _print_item(item)

    def step(self, name: str, tried: str, items: Callable[[], Iterable[Item]]) -> bool:
        """Do one step; an error of ours becomes a failed item. Return whether there was none."""
        try:
            self.add(items())
        except ConfigError as error:
            self.problems += error.problems
            for problem in error.problems:
                found = f"{problem.key} = {problem.value}: {problem.rule}"
                self.add([Item(name, tried, "failed", found, problem.fix)])
        except IntakeError as error:
            found, _, fix = str(error).partition(" Fix: ")
            self.add([Item(name, tried, "failed", found.rstrip("."), fix.rstrip("."))])
            if isinstance(error, VerificationError):
                self.status = error.exit_status
        else:
            return True
        return False


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `check`."""
    parser = add_command(commands, "check", run, "configuration, stored data, and what is outside")
    parser.add_argument("--live", action="store_true", help="try every outside thing too")
    parser.add_argument("--json", action="store_true", help="a JSON list of items")
    parser.add_argument("--backup", metavar="FILE", type=Path, help="verify a backup instead")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=int,
        default=PROBE_SECONDS,
        help="how long --live waits for its test message (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Look at everything and say what is to be mended."""
    report = Report(options.json)
    if options.backup is not None:
        from intake.cli.check_backup import check_backup

        config = open_config(options)
        check_backup(report, config, options.backup)
    else:
        _check_installation(report, options)
    if options.json:
        print_json([vars(item) for item in report.items])
    if report.problems:
        raise ConfigError(report.problems)
    return report.status


def _check_installation(report: Report, options: argparse.Namespace) -> None:
    loaded: list[Config] = []

    def configuration() -> Iterator[Item]:
        config = open_config(options)
        loaded.append(config)
        yield Item("configuration", f"reading {config.path}", "ok", "every key is valid")

    report.step("configuration", "reading the file", configuration)
    if not loaded:
        return
    config = loaded[0]
    report.step("files", "reading every file that is named", lambda: _files(config))
    report.add(_weak_points(config))
    opened: list[Context] = []

    def database() -> Iterator[Item]:
        from intake.database import SCHEMA_VERSION

        opened.append(open_context(options))
        yield Item(
            "database", "opening it", "ok", f"schema {SCHEMA_VERSION}, as this program has it"
        )

    report.step("database", "opening it", database)
    if opened:
        context = opened[0]
        _check_stored(report, context)
        if options.live:
            from intake.cli.check_outside import check_outside
            from intake.cli.check_probe import check_way_in

            check_outside(report, context)
            check_way_in(report, context, seconds=options.wait)
        context.database.close()


def _print_item(item: Item) -> None:
    line = f"{WORDS[item.result]:<9} {item.item}: {item.tried}"
    sys.stdout.write(harmless(f"{line}: {item.detail}" if item.detail else line) + "\n")
    if item.fix and item.result != "ok":
        sys.stdout.write(harmless(f"{'':<9}   fix: {item.fix}") + "\n")
    sys.stdout.flush()


# ---- files and weak points ---------------------------------------------------------------------


def _files(config: "Config") -> Iterator[Item]:
    from intake.certificates.ownership import IssuingCas
    from intake.config import require_files

    require_files(config)
    yield Item("files", "reading every file that is named", "ok")
    cas = IssuingCas.load(config.certificates.issuing_cas).cas
    if cas:
        names = ", ".join(ca.name for ca in cas)
        yield Item("issuing CAs", "reading their certificates", "ok", f"{len(cas)}: {names}")


def _weak_points(config: "Config") -> Iterator[Item]:
    """Yield what is allowed and yet unwise."""
    from intake.cli.check_linters import built_in

    yield from _open_files(config)
    yield from built_in(config)
    if config.smtp is None:
        found = "there is no [smtp], so a dead Slack is a dead end"
        yield Item("smtp", "looking for a second medium", "warning", found, "add the table [smtp]")
    if not config.certificates.issuing_cas:
        found = "no issuing CA is configured, so no certificate is known as ours"
        fix = "name the certificates of your issuing CAs in certificates.issuing_cas"
        yield Item("issuing CAs", "looking for certificates", "warning", found, fix)
    for mailbox in config.mailbox:
        if not mailbox.our_hosts:
            found = "no our_hosts: T0 is the mailbox's own date, which is later than receipt"
            fix = "name the hosts and networks of your mail system in our_hosts"
            yield Item(f"mailbox {mailbox.name}", "looking for our_hosts", "warning", found, fix)
    if config.service.heartbeat_url is None:
        found = "nobody outside notices if the service dies"
        fix = "set service.heartbeat_url to a monitor that misses it when it stays away"
        yield Item("heartbeat", "looking for its address", "warning", found, fix)
    if config.service.testing:
        found = "times may be invented, and `intake run` refuses this database for good"
        fix = "use another database and testing = false for the service"
        yield Item("testing", "looking at service.testing", "warning", found, fix)


def _open_files(config: "Config") -> Iterator[Item]:
    """Yield secrets that others can read, and a key that lies where the database lies."""
    from intake.database import sqlite_path

    secrets = [config.archive.key, config.slack.bot_token, config.slack.app_token]
    secrets += [mailbox.password for mailbox in config.mailbox if mailbox.password]
    secrets += [config.smtp.password] if config.smtp and config.smtp.password else []
    for secret in secrets:
        path = _file_of(secret)
        if (
            path is not None
            and path.exists()
            and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
        ):
            found = f"{path} can be read by every user of this machine"
            yield Item(secret.key, "looking at its rights", "warning", found, f"chmod 0400 {path}")
    key, database = _file_of(config.archive.key), sqlite_path(config.database.url)
    if key is not None and database is not None and key.parent == database.parent:
        found = "the key lies beside the database: whoever copies the folder can read the archive"
        fix = "put the key elsewhere, and above all keep it out of the backup"
        yield Item("archive key", "looking where it lies", "warning", found, fix)


def _file_of(secret: "Secret") -> Path | None:
    return None if secret.env or secret.file is None else secret.path()


# ---- what is stored ----------------------------------------------------------------------------


def _check_stored(report: Report, context: Context) -> None:
    report.step("database", "looking at its settings", lambda: _durability(context))
    report.step("archive key", "comparing it with the database", lambda: _key(context))
    report.step("event log", "following its chain", lambda: _events(context))
    report.step("accounts", "adding up messages", lambda: _accounts(context))
    report.step("UID accounts", "adding up UIDs", lambda: _uids(context))
    report.step("second reader", "looking when it looked", lambda: _second_reader(context))
    report.step("work", "looking for what is stuck", lambda: _stuck(context))


def _durability(context: Context) -> Iterator[Item]:
    """Yield settings of the database server with which a power cut would lose mail."""
    from intake.database import unsafe_settings

    tried = "looking at its settings"
    unsafe = unsafe_settings(context.database)
    if unsafe:
        found = f"{', '.join(unsafe)}: what was committed could be lost with the power"
        yield Item("database", tried, "failed", found, "set them to on in postgresql.conf")
    else:
        yield Item("database", tried, "ok", "a transaction that was committed is on the disk")


def _key(context: Context) -> Iterator[Item]:
    from intake.archive.seal import ArchiveKey, check_key

    key = ArchiveKey.load(context.config.archive.key)
    with context.database.read() as session:
        check_key(session, key)
    yield Item("archive key", "comparing it with the database", "ok", "it sealed this archive")


def _events(context: Context) -> Iterator[Item]:
    from intake.cli.audit import chain_state

    with context.database.read() as session:
        count, head, problems = chain_state(session)
    if problems:
        fix = "restore a backup from before, and find out who changed the database"
        yield Item("event log", "following its chain", "failed", problems[0], fix)
    else:
        yield Item("event log", "following its chain", "ok", f"{count} events, head {head}")


def _accounts(context: Context) -> Iterator[Item]:
    """Check that every message ended as a ticket or as a recorded decision why not."""
    from intake.archive.balance import account_of_messages

    tried = "adding up messages"
    with context.database.read() as session:
        account = account_of_messages(session, context.now)
    if account.balanced:
        yield Item("accounts", tried, "ok", str(account))
        return
    fix = "see that `intake run` is at work; if it is, run `intake audit verify`, and report this"
    yield Item("accounts", tried, "failed", f"{account}; {'; '.join(account.faults)}", fix)


def _uids(context: Context) -> Iterator[Item]:
    """Check that every UID of every folder is stored, gone, or gone before we looked."""
    from intake.archive.balance import account_of_uids

    tried = "adding up the UIDs of every folder"
    with context.database.read() as session:
        accounts = [
            account
            for mailbox in context.config.mailbox
            for account in account_of_uids(session, mailbox.name)
        ]
    wrong = [account for account in accounts if not account.balanced]
    for account in wrong:
        fix = "run `intake reconcile`: it says what the server has; then report this"
        yield Item("UID accounts", tried, "failed", str(account), fix)
    if not wrong:
        sums = ("assigned", "stored", "gone", "gone_unseen", "lacking")
        total, *parts = (sum(getattr(account, name) for account in accounts) for name in sums)
        names = ("stored", "gone since", "gone before we looked", "not handed out")
        found = " + ".join(f"{count} {name}" for count, name in zip(parts, names, strict=True))
        yield Item("UID accounts", tried, "ok", f"{len(accounts)} folders, {total} UIDs = {found}")


def _second_reader(context: Context) -> Iterator[Item]:
    """Say what the second reader found the last time, and warn if that is too long ago."""
    from intake.reconcile.tell import next_time
    from intake.tables import WatchedMailbox

    tried, fix = "looking what it found", "run `intake reconcile`"
    for mailbox in context.config.mailbox:
        with context.database.read() as session:
            watched = session.get(WatchedMailbox, mailbox.name)
            due_at = next_time(session, mailbox.name, context.config.service.reconcile_at)
        if watched is None or due_at is None:
            continue
        at = watched.reconciled_at
        found = f"{mailbox.name}: it looked at {at:%Y-%m-%d %H:%M} UTC" if at else mailbox.name
        result: Result = "ok"
        if watched.differences:
            result, found = "failed", f"{found} and found {watched.differences} differences"
        elif context.now > due_at + timedelta(days=1):
            result, found = "warning", f"{found}: it should have looked at {due_at:%Y-%m-%d %H:%M}"
        elif at is None:
            found += f": it looks for the first time at {due_at:%Y-%m-%d %H:%M} UTC"
        yield Item("second reader", tried, result, found, fix)


def _stuck(context: Context) -> Iterator[Item]:
    """Yield what waits for too long: mailboxes that nobody reads, jobs, notices."""
    from sqlalchemy import func
    from sqlmodel import select

    from intake.tables import Job, Notice, WatchedMailbox

    now = context.now
    found: list[str] = []
    with context.database.read() as session:
        for mailbox in context.config.mailbox:
            watched = session.get(WatchedMailbox, mailbox.name)
            found += _unread(
                mailbox.name, watched, now - max(3 * mailbox.poll_every, WAITS_TOO_LONG)
            )
        for count, what in (
            (session.exec(select(func.count()).where(Job.state == "failed")).one(), "jobs failed"),
            (
                session.exec(select(func.count()).where(Notice.state == "failed")).one(),
                "notices could not be delivered",
            ),
        ):
            found += [f"{count} {what}"] if count else []
    if not found:
        yield Item("work", "looking for what is stuck", "ok", "nothing waits")
    for text in found:
        fix = "see that `intake run` is at work (systemctl status intake), and read its log"
        yield Item("work", "looking for what is stuck", "warning", text, fix)


def _unread(name: str, watched: object, limit: object) -> list[str]:
    at = getattr(watched, "last_good_poll_at", None)
    if at is None:
        return [f"the mailbox {name} was never read"]
    if at < limit:
        trouble = getattr(watched, "trouble", None)
        why = f": {trouble}" if trouble else ""
        return [f"the mailbox {name} was last read at {at:%Y-%m-%d %H:%M:%S} UTC{why}"]
    return []
