"""The live part of `intake check`: each thing outside is tried once, and nothing is changed there."""

import logging
import smtplib
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from intake.cli.check import Item, Report
from intake.cli.check_linters import outside
from intake.cli.context import Context
from intake.clock import wall_clock

if TYPE_CHECKING:
    from intake.config import Config, MailboxSection, SlackSection, SmtpSection
    from intake.notices.slack import SlackMedium

SKEW = timedelta(seconds=30)  # that a clock may be wrong before deadlines are
HTTP_SECONDS = 10.0
INSTALL = "install the app again with the manifest in deploy/"


def check_outside(report: Report, context: Context) -> None:
    """Try every outside thing that the configuration names."""
    config = context.config
    for mailbox in config.mailbox:
        report.step(
            f"mailbox {mailbox.name}",
            f"logging in to {mailbox.host}",
            partial(_mailbox, mailbox),
        )
    report.step("slack", "asking who we are", lambda: _slack(config.slack))
    report.step("socket mode", "asking for a WebSocket", lambda: _socket_mode(config.slack))
    if config.smtp is not None:
        smtp = config.smtp
        report.step("smtp", f"connecting to {smtp.host}", lambda: _smtp(smtp))
    report.step("crt.sh", f"asking {config.crtsh.base_url}", lambda: _crtsh(config))
    report.step("linters", "asking for their versions", lambda: outside(config))
    report.step("heartbeat", "fetching its address", lambda: _heartbeat(config))
    report.step("clock", "comparing it with Slack's", lambda: _clock(context))


# ---- mailbox -----------------------------------------------------------------------------------


def _mailbox(mailbox: "MailboxSection") -> Iterator[Item]:
    """Log in, list the folders, open the inbox read-only."""
    from intake.mailbox.imap import ImapSession

    name, tried = f"mailbox {mailbox.name}", f"logging in to {mailbox.host}:{mailbox.port}"
    with ImapSession(mailbox) as imap:
        folders = imap.folders()
        inbox = next((folder for folder in folders if folder.name.upper() == "INBOX"), None)
        if inbox is not None:
            imap.examine(inbox)
    junk = [folder.name for folder in folders if folder.is_junk]
    found = f"{mailbox.security}; {len(folders)} folders are read"
    yield Item(name, tried, "ok", found)
    if junk:
        yield Item(name, "looking for Junk", "ok", ", ".join(junk))
    else:
        fix = "name the folder for spam in junk_folders, if the server has one"
        yield Item(name, "looking for Junk", "warning", "no folder is known as Junk", fix)
    missing = [one for one in mailbox.junk_folders if one not in {f.name for f in folders}]
    if missing:
        found = f"there is no folder {', '.join(missing)}"
        fix = "correct junk_folders; names are as the mail program shows them, with their parents"
        yield Item(name, "looking for the junk_folders", "warning", found, fix)


# ---- Slack -------------------------------------------------------------------------------------


def _slack(section: "SlackSection") -> Iterator[Item]:
    from intake.notices.slack import SlackMedium, SlackTrouble

    medium = SlackMedium(section)
    try:
        who = medium.identity()
    except SlackTrouble as trouble:
        yield Item(
            "slack", "asking who we are (auth.test)", "failed", str(trouble), _slack_fix(trouble)
        )
        return
    found = f"{who.get('user')} in {who.get('team')}"
    yield Item("slack", "asking who we are (auth.test)", "ok", found)
    yield from _channel(medium, section.channel)
    named = [*section.responders, *section.on_call, *section.managers]
    for one in dict.fromkeys(named):
        yield from _recipient(medium, one)


def _channel(medium: "SlackMedium", channel: str) -> Iterator[Item]:
    from intake.notices.slack import SlackTrouble

    tried = f"looking at the channel {channel} (conversations.info)"
    try:
        info: Any = medium.call("conversations.info", {"channel": channel}, reads=True)
    except SlackTrouble as trouble:
        result = "warning" if trouble.code == "missing_scope" else "failed"
        yield Item("slack", tried, result, str(trouble), _slack_fix(trouble))  # type: ignore[arg-type]
        return
    about = info.get("channel") or {}
    if about.get("is_archived"):
        fix = "name another channel in slack.channel, or unarchive it"
        yield Item("slack", tried, "failed", "it is archived", fix)
    elif about.get("is_member") is False:
        fix = "/invite the app there"
        yield Item("slack", tried, "failed", "the app is not in it, so it can't post", fix)
    else:
        yield Item("slack", tried, "ok", f"#{about.get('name', channel)}, the app is in it")


def _recipient(medium: "SlackMedium", one: str) -> Iterator[Item]:
    """Check that a user or a user group exists, and that a group is not empty."""
    from intake.notices.slack import SlackTrouble

    is_group = one.startswith("S")
    tried = f"looking for {'the user group' if is_group else 'the user'} {one}"
    try:
        if is_group:
            members = medium.members(one)
            problem = "" if members else "it has no members"
            found = f"{len(members)} members"
        else:
            answer: Any = medium.call("users.info", {"user": one}, reads=True)
            user = answer.get("user") or {}
            problem = "the account is deactivated" if user.get("deleted") else ""
            found = str(user.get("real_name") or user.get("name") or "")
    except SlackTrouble as trouble:
        result = "warning" if trouble.code == "missing_scope" else "failed"
        yield Item("slack", tried, result, str(trouble), _slack_fix(trouble))  # type: ignore[arg-type]
        return
    if problem:
        yield Item("slack", tried, "failed", problem, "correct [slack], or fill the group in Slack")
    else:
        yield Item("slack", tried, "ok", found)


def _socket_mode(section: "SlackSection") -> Iterator[Item]:
    """Ask for the address of a WebSocket, which needs the app-level token; none is opened."""
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError, SlackClientError

    tried = "asking for a WebSocket (apps.connections.open)"
    silent = logging.getLogger("intake.cli.slack_sdk")
    silent.setLevel(logging.CRITICAL)  # its errors reach us as exceptions
    client = WebClient(
        base_url=section.base_url, timeout=int(HTTP_SECONDS), retry_handlers=[], logger=silent
    )
    try:
        client.apps_connections_open(app_token=section.app_token.read())
    except SlackApiError as error:
        code = str(error.response.get("error", "refused"))
        fix = "make an app-level token with connections:write, and put it into app_token_file"
        yield Item("socket mode", tried, "failed", code, fix)
    except (OSError, SlackClientError) as error:
        fix = "see that this host may reach Slack over HTTPS"
        yield Item("socket mode", tried, "failed", type(error).__name__, fix)
    else:
        yield Item("socket mode", tried, "ok", "buttons and /cpr will work")


def _slack_fix(trouble: Any) -> str:  # noqa: ANN401 - SlackTrouble, imported late
    if trouble.is_down:
        return "see that this host may reach Slack over HTTPS"
    if trouble.code == "missing_scope":
        return INSTALL
    if "auth" in trouble.code or "token" in trouble.code:
        return "put the bot token of the installed app into bot_token_file"
    return "correct the id in [slack]; ids are shown at the end of each profile in Slack"


# ---- the rest ----------------------------------------------------------------------------------


def _smtp(section: "SmtpSection") -> Iterator[Item]:
    """Connect as for a mail, and send none."""
    from intake.notices.smtp import SmtpMedium

    tried = f"connecting to {section.host}:{section.port} ({section.security})"
    fix = "correct [smtp], or let this host use the relay"
    try:
        with SmtpMedium(section)._connect() as relay:
            relay.ehlo()
            code, _ = relay.noop()
    except (OSError, smtplib.SMTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        yield Item("smtp", tried, "failed", str(reason), fix)
        return
    result = "ok" if code == 250 else "failed"  # noqa: PLR2004 - SMTP
    yield Item("smtp", tried, result, f"it answered {code}", fix)  # type: ignore[arg-type]


def _crtsh(config: "Config") -> Iterator[Item]:
    """Look up the certificate with id 1; that it is not there is an answer too."""
    from intake.certificates.crtsh import CrtshClient, Unavailable

    tried = f"looking up a certificate at {config.crtsh.base_url}"
    with CrtshClient(config.crtsh.base_url, config.crtsh.timeout.total_seconds()) as client:
        answer = client.fetch("crtsh_id", "1")
    if isinstance(answer, Unavailable):
        fix = (
            "nothing if it was crt.sh itself: look-ups are tried again for days, tickets don't wait"
        )
        yield Item("crt.sh", tried, "failed", answer.why, fix)
    else:
        yield Item("crt.sh", tried, "ok", "it answers")


def _heartbeat(config: "Config") -> Iterator[Item]:
    from intake.heartbeat import fetch_heartbeat

    url = config.service.heartbeat_url
    if url is None:
        return
    problem = fetch_heartbeat(url)
    if problem:
        fix = "correct service.heartbeat_url, or mend the monitor"
        yield Item("heartbeat", "fetching its address", "failed", problem, fix)
    else:
        yield Item("heartbeat", "fetching its address", "ok")


def _clock(context: Context) -> Iterator[Item]:
    """Compare our clock with the Date of an HTTP answer; deadlines hang on it."""
    import httpx

    tried = "comparing it with the date of another host"
    if context.config.service.testing:
        yield Item("clock", tried, "not_tried", "times are invented here (testing = true)")
        return
    for url in (context.config.slack.base_url, context.config.crtsh.base_url):
        try:
            answer = httpx.head(url, timeout=HTTP_SECONDS)
            theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        except (httpx.HTTPError, ValueError, TypeError):
            continue
        apart = abs(wall_clock() - theirs)
        found = f"{apart.total_seconds():.0f} s apart"
        fix = "set the clock by NTP (timedatectl set-ntp true)"
        yield Item("clock", tried, "ok" if apart <= SKEW else "failed", found, fix)
        return
    yield Item(
        "clock", tried, "not_tried", "no host told its date", "timedatectl shows if NTP is on"
    )
