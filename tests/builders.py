"""Values for tests, with good defaults: keyword arguments say what a test is about."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intake.config import Config, load_config

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

CONFIG = """
[database]
url = "{database_url}"
[archive]
key_file = "archive.key"
[[mailbox]]
name = "cps"
addresses = ["cps@ca.example"]
host = "{imap_host}"
port = {imap_port}
security = "{imap_security}"
{imap_ca}
username = "cps"
{password}
junk_folders = ["Junk"]
our_hosts = ["mx1.ca.example", "10.0.0.0/8"]
watch_from = "{watch_from}"
poll_every = "{poll_every}"
[slack]
bot_token_file = "slack-bot.token"
app_token_file = "slack-app.token"
channel = "C0CPR"
base_url = "{slack_url}"
responders = ["U0ALICE", "S0RESPONDERS"]
on_call = ["S0ONCALL"]
managers = ["U0MIRA", "U0NOAH"]
[smtp]
host = "127.0.0.1"
port = {smtp_port}
security = "none"
sender = "cpr-intake@ca.example"
fallback_to = ["oncall@ca.example"]
[crtsh]
base_url = "{crtsh_url}"
[certificates]
issuing_cas = [{issuing_cas}]
{more}
"""


def make_config(folder: Path, **values: Any) -> Config:
    """Write a configuration with its secrets into a folder and load it."""
    defaults: dict[str, Any] = {
        "database_url": "sqlite:///intake.db",
        "imap_host": "127.0.0.1",
        "imap_port": 1143,
        "imap_security": "none",
        "imap_ca": "",
        "poll_every": "60s",
        "password": 'password_file = "cps.password"',
        "watch_from": "2017-01-01T00:00:00Z",
        "slack_url": "http://127.0.0.1:9/api/",
        "smtp_port": 9,
        "crtsh_url": "http://127.0.0.1:9/",
        "issuing_cas": "",
        "more": "",
    }
    for name, secret in (
        ("cps.password", "secret"),
        ("slack-bot.token", "xoxb-test"),
        ("slack-app.token", "xapp-test"),
    ):
        (folder / name).write_text(secret + "\n", encoding="utf-8")
    path = folder / "config.toml"
    path.write_text(CONFIG.format(**(defaults | values)), encoding="utf-8")
    return load_config(path)


def make_message(
    *,
    message_id: str | None = "<report-1@reporter.example>",
    sender: str = "Rita Reporter <rita@reporter.example>",
    subject: str = "Misissued certificate",
    body: str = "Please look at https://crt.sh/?id=19429431&opt=cablint\r\n",
    headers: tuple[tuple[str, str], ...] = (),
    received: tuple[str, ...] = (
        "from mail.reporter.example (mail.reporter.example [198.51.100.7])\r\n"
        "\tby mx1.ca.example (Postfix) with ESMTPS id 4Xy; Tue, 24 Nov 2026 11:00:00 +0000 (UTC)",
    ),
) -> bytes:
    """Return a plain text message as raw bytes with CRLF line ends."""
    lines = [f"Received: {stamp}" for stamp in received]
    lines += [f"From: {sender}", "To: cps@ca.example", f"Subject: {subject}"]
    lines += ["Date: Tue, 24 Nov 2026 10:59:00 +0000"]
    lines += [f"Message-ID: {message_id}"] if message_id is not None else []
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
