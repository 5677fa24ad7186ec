"""Bearer tokens for OAuth 2, from a command that prints one.

A token is kept for some minutes or until a server refuses it. It is never logged, nor is what the
command writes beside it.

Source: RFC 6750.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from intake.errors import OutsideUnavailableError

COMMAND_SECONDS = 30.0
KEPT_SECONDS = 300.0
_TOKEN = re.compile(r"[!-~]{1,20000}")

_kept: dict[tuple[str, ...], tuple[float, str]] = {}  # since when, by command
_lock = threading.Lock()


def bearer_token(
    command: Sequence[str],
    *,
    seconds: float = COMMAND_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> str:
    """Return the token that the command printed a short while ago, or prints now.

    Raises:
        OutsideUnavailableError: if it prints none in time.
    """
    with _lock:  # several connections of one mailbox ask once
        since, token = _kept.get(tuple(command), (0.0, ""))
        if not token or monotonic() - since > KEPT_SECONDS:
            token = _run(command, seconds)
            _kept[tuple(command)] = monotonic(), token
        return token


def forget_token(command: Sequence[str], token: str) -> None:
    """Ask the command anew next time, unless that was done already."""
    with _lock:
        if _kept.get(tuple(command), (0.0, ""))[1] == token:
            del _kept[tuple(command)]


def _run(command: Sequence[str], seconds: float) -> str:
    try:
        process = subprocess.Popen(  # noqa: S603 - the administrator's own command, without a shell
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise _failed(command, f"can't be run ({error.strerror})") from None
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with all that it started
        process.communicate()
        raise _failed(command, f"took longer than {seconds:g} s") from None
    if process.returncode != 0:
        raise _failed(command, f"ended with status {process.returncode}")
    token = output.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise _failed(command, "printed no token on its standard output")
    return token


def _failed(command: Sequence[str], how: str) -> OutsideUnavailableError:
    fix = "run it by hand as the user that runs intake; it must print the token alone"
    return OutsideUnavailableError(f"The token command {command[0]} {how}. Fix: {fix}.")
