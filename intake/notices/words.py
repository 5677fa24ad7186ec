"""Text that is safe to show, and instants and durations as a tired person reads them.

What comes from a mail is hostile: it must neither mention anybody, nor format, nor link, nor
imitate our own signs, nor turn the text round.
"""

import re
import unicodedata
from datetime import datetime, timedelta

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
INVISIBLE = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}  # control, format (bidi, zero width), unused
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"  # letters and signs that show as nothing
LOOK_ALIKES = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
EMOJI_NAME = re.compile(r":([a-z0-9_+'-]{2,}):", re.IGNORECASE)
LOOSE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,}")
SLACK_GROUP = re.compile(r"S[A-Z0-9]{2,}")
SOON = timedelta(minutes=1)


def clean(text: str, limit: int = 150) -> str:
    """Return text as one line of visible characters, cut to `limit` of them."""
    head = text[: limit * 20]  # a subject of megabytes is not walked through
    visible = "".join(
        " " if char.isspace() else char
        for char in head
        if char.isspace() or (unicodedata.category(char) not in INVISIBLE and char not in BLANKS)
    )
    line = " ".join(visible.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def escape(text: str) -> str:
    """Escape what Slack's mrkdwn gives a meaning to: mentions, links and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def from_mail(text: str, limit: int = 150) -> str:
    """Return text that a stranger wrote as mrkdwn that shows it literally."""
    plain = clean(text, limit).translate(LOOK_ALIKES)
    plain = LOOSE_UNDERSCORE.sub("＿", plain)
    return escape(EMOJI_NAME.sub(_without_emoji, plain))


def _without_emoji(match: re.Match[str]) -> str:
    """Break the name of an emoji, but leave 0a:bc:de as it is."""
    name = match[1]
    if re.fullmatch(r"[0-9a-f]+", name, re.IGNORECASE):
        return match[0]
    return f"∶{name}∶"


def code(text: str, limit: int = 150) -> str:
    """Return text that a stranger wrote as mrkdwn code."""
    return f"`{escape(clean(text, limit).replace('`', 'ˋ')) or ' '}`"


def person(actor: str | None) -> str:
    """Name who acted as mrkdwn: a Slack user by mention, an operating-system user as text."""
    if not actor:
        return "nobody"
    return f"<@{actor}>" if SLACK_USER.fullmatch(actor) else from_mail(actor, 60)


def mention(recipient: str) -> str:
    """Return the mrkdwn that calls a user or a user group; empty for anything else."""
    if SLACK_GROUP.fullmatch(recipient):
        return f"<!subteam^{recipient}>"
    return f"<@{recipient}>" if SLACK_USER.fullmatch(recipient) else ""


def utc(instant: datetime, now: datetime) -> str:
    """Write an instant in UTC: with the day unless it is today, with the year unless it is this."""
    if instant.date() == now.date():
        return f"{instant:%H:%M} UTC"
    return utc_day(instant, now)


def utc_day(instant: datetime, now: datetime) -> str:
    """Write an instant in UTC with its day, for what may be read on another one."""
    year = "" if instant.year == now.year else f" {instant.year}"
    day = f"{DAYS[instant.weekday()]} {instant.day} {MONTHS[instant.month - 1]}{year}"
    return f"{day} {instant:%H:%M} UTC"


def both_times(instant: datetime, now: datetime) -> str:
    """Write an instant as mrkdwn in the reader's own time zone, and in UTC."""
    text = utc(instant, now)
    local = f"<!date^{int(instant.timestamp())}^{{time}} {{date_short_pretty}}|{text}>"
    return f"{local} ({text})"


def span(duration: timedelta) -> str:
    """Write a duration in its two largest units: `3 h 12 min`."""
    if duration < SOON:
        return "less than a minute"
    minutes = int(duration.total_seconds()) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def left(due_at: datetime, now: datetime) -> str:
    """Say how much time is left, or how late it is."""
    if due_at > now:
        return f"{span(due_at - now)} left"
    return f"overdue by {span(now - due_at)}"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 certificate`, `12 certificates`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
