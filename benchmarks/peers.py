"""Programs that do a part of the work: mbsync fetches, mu, notmuch and public-inbox index."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from benchmarks.mailboxes import Mailbox
from benchmarks.measure import Cost, cpu_of_family, run_program

PATIENCE = 300.0  # seconds

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
    """Import what mbsync copied into a public-inbox archive, until it has no more to do."""
    home = folder / "public-inbox"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    inbox = folder / "maildir" / "INBOX"
    count = sum(1 for _ in inbox.glob("*/*"))
    environment = os.environ | {"HOME": str(home), "PI_CONFIG": str(home / "config")}
    place = ("cps", home / "archive", "http://localhost/cps", "cps@ca.example")
    run_program("public-inbox-init", "-V2", *place, environment=environment)
    with (home / "config").open("a") as config:
        config.write(f"\twatch = maildir:{inbox}\n")
    began = time.monotonic()
    process = subprocess.Popen(
        ["public-inbox-watch"], env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        while _commits(home / "archive" / "git" / "0.git") < count:
            time.sleep(0.2)
            if process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise RuntimeError("public-inbox-watch did not import everything")
        return Cost(time.monotonic() - began, cpu_of_family(process.pid))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _commits(repository: Path) -> int:
    command = ["git", "-C", str(repository), "rev-list", "--count", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout.strip() or 0) if done.returncode == 0 else 0
