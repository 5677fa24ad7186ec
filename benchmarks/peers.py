"""Programs that do a part of the work: mbsync fetches, mu, notmuch and public-inbox index."""

import shutil
from pathlib import Path

from benchmarks.mailboxes import Mailbox
from benchmarks.measure import Cost, run_program

MBSYNCRC = """
FSync yes

IMAPAccount here
Host {host}
Port {port}
User {user}
Pass {password}
AuthMechs LOGIN
{security}

IMAPStore far
Account here

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"""


def has(program: str) -> bool:
    """Say whether a program is installed."""
    return shutil.which(program) is not None


def mbsync(mailbox: Mailbox, folder: Path, *, tls: bool = False) -> Cost:
    """Copy a mailbox into an empty folder, every file synced to the disk."""
    server = mailbox.server
    maildir = folder / "maildir"
    shutil.rmtree(folder, ignore_errors=True)
    maildir.mkdir(parents=True)
    configuration = folder / "mbsyncrc"
    configuration.write_text(
        MBSYNCRC.format(
            host=server.host,
            port=server.tls_port if tls else server.port,
            user=server.user,
            password=server.password,
            security=f"SSLType IMAPS\nCertificateFile {server.ca_file}" if tls else "SSLType None",
            folder=maildir,
        )
    )
    cost = run_program("mbsync", "-q", "-c", configuration, "-a")
    copied = sum(1 for _ in maildir.glob("INBOX/*/*"))
    assert copied == mailbox.count, f"mbsync copied {copied} of {mailbox.count}"
    return cost


def mu(folder: Path) -> Cost:
    """Index what mbsync copied, with mu."""
    home = folder / "mu"
    shutil.rmtree(home, ignore_errors=True)
    maildir = folder / "maildir"
    first = run_program("mu", "init", f"--muhome={home}", f"--maildir={maildir}", "--quiet")
    second = run_program("mu", "index", f"--muhome={home}", "--quiet")
    return Cost(first.wall + second.wall, first.cpu + second.cpu)


def notmuch(folder: Path) -> Cost:
    """Index what mbsync copied, with notmuch."""
    maildir = folder / "maildir"
    shutil.rmtree(maildir / ".notmuch", ignore_errors=True)
    configuration = folder / "notmuch"
    configuration.write_text(
        f"[database]\npath={maildir}\n[new]\nignore=.mbsyncstate;.uidvalidity\n"
    )
    return run_program("notmuch", f"--config={configuration}", "new", "--quiet")


def public_inbox(folder: Path) -> Cost:
    """Import what mbsync copied into a public-inbox archive and index it."""
    home = folder / "public-inbox"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    environment = (
        "env",
        f"HOME={home}",
        f"PI_CONFIG={home}/config",
        "ORIGINAL_RECIPIENT=cps@ca.example",
    )
    first = run_program(
        *environment, "public-inbox-init", "-V2", "cps", home / "archive",
        "http://localhost/cps", "cps@ca.example",
    )  # fmt: skip
    importer = Path("/usr/share/doc/public-inbox/scripts/import_maildir")
    inbox = folder / "maildir" / "INBOX"
    second = run_program(*environment, importer, inbox, folder=home)
    third = run_program(*environment, "public-inbox-index", home / "archive")
    parts = (first, second, third)
    return Cost(sum(one.wall for one in parts), sum(one.cpu for one in parts))
