"""Signs of life for the outside: a URL that is fetched, and systemd's watchdog.

Both are given after a round of good polls only, so that a service that runs but reads nothing is
noticed like a dead one.
"""

import logging
import os
import socket

logger = logging.getLogger(__name__)

FETCH_SECONDS = 10.0


def fetch_heartbeat(url: str) -> str | None:
    """Fetch the heartbeat address; return what went wrong, or None."""
    import httpx  # noqa: PLC0415 - slow to import, and optional

    try:
        answer = httpx.get(url, timeout=FETCH_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}"
    return None if answer.is_success else f"HTTP {answer.status_code}"


def notify_systemd(state: str) -> bool:
    """Tell systemd a state such as "READY=1" or "WATCHDOG=1"; return whether it listens.

    Source: sd_notify(3).
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError as error:
            logger.warning("systemd could not be told %s: %s", state, error.strerror)
            return False
    return True
