"""T0: the instant our mail system took a message, from the Received lines that our hosts wrote.

Walk down from the topmost Received while our own hosts wrote it; stop at the first that took the
message from outside. Its stamp is T0, and what stands below is the sender's claim. With none such,
the server's INTERNALDATE. Never the Date header, never later than the time we saw it.

Source: BR 4.9.5 (the 24 hours begin with receipt).
"""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from intake.archive.header import read_fields, split_header

MOST_HOPS = 100
LONGEST_LINE = 10_000
CLOCK_SKEW = timedelta(minutes=5)  # our hosts' clocks may differ by this much
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # a stamp before this is a broken clock

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BY = re.compile(r"(?:^|\s)by\s+(\S+)", re.IGNORECASE)
_HELO = re.compile(r"\b(?:helo|ehlo)[= ]", re.IGNORECASE)  # what the client called itself follows
_QMAIL = re.compile(r"\(qmail \d+ invoked", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[(?:ipv6:)?([0-9a-f.:%]+)\]", re.IGNORECASE)
_PARENTHESIS = re.compile(r"[()]|\\.", re.DOTALL)  # an escaped one counts for nothing
_BARE = re.compile(r"[0-9a-f.:]+", re.IGNORECASE)


@dataclass(frozen=True)
class Receipt:
    """When a message was received, and how we know."""

    at: datetime
    source: str  # "received" | "internal_date" | "first_seen"; imports state their own


@dataclass(frozen=True)
class OurHosts:
    """The names and networks of our own mail system."""

    names: frozenset[str]
    suffixes: tuple[str, ...]
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, entries: list[str]) -> "OurHosts":
        """Read host names, `.suffix` forms, addresses and networks."""
        names, suffixes, networks = set(), [], []
        for entry in entries:
            text = entry.strip().strip("[]").casefold().rstrip(".")
            try:
                networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                if text.startswith(("*.", ".")):
                    suffixes.append("." + text.lstrip("*."))
                elif text:
                    names.add(text)
        return cls(frozenset(names), tuple(suffixes), tuple(networks))

    def wrote(self, by: str) -> bool:
        """Say whether the host that signs a Received line is ours."""
        name = by.strip("[];,").casefold().removeprefix("ipv6:").rstrip(".")
        address = _address(name)
        if address is not None:
            return self.has(address)
        return name in self.names or name.endswith(self.suffixes)

    def has(self, address: Address) -> bool:
        """Say whether an address is ours; loopback always is."""
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return address.is_loopback or any(address in network for network in self.networks)


@dataclass(frozen=True)
class Hop:
    """One Received line: who wrote it, from which address it took the message, and when."""

    by: str | None
    client: Address | None
    stamp: datetime | None


def find_receipt(
    raw: bytes, *, our_hosts: OurHosts, internal_date: datetime | None, seen_at: datetime
) -> Receipt:
    """Return when our mail system took a message; total, and never later than `seen_at`."""
    header, _ = split_header(raw)
    return receipt_of(
        read_fields(header), our_hosts=our_hosts, internal_date=internal_date, seen_at=seen_at
    )


def receipt_of(
    fields: dict[str, list[str]],
    *,
    our_hosts: OurHosts,
    internal_date: datetime | None,
    seen_at: datetime,
) -> Receipt:
    """Return the receipt from the fields of a header block; see `find_receipt`."""
    stamp = _entry_stamp(fields.get("received", []), our_hosts)
    if stamp is not None and EARLIEST <= stamp <= seen_at + CLOCK_SKEW:
        return Receipt(min(stamp, seen_at), "received")
    if internal_date is not None and internal_date >= EARLIEST:
        return Receipt(min(internal_date.astimezone(UTC), seen_at), "internal_date")
    return Receipt(seen_at, "first_seen")


def _entry_stamp(received: list[str], our_hosts: OurHosts) -> datetime | None:
    """Return the stamp of the line with which the message came in from outside."""
    for value in received[:MOST_HOPS]:
        hop = parse_received(value)
        if hop.by is None:
            if _QMAIL.match(value):  # qmail writes one about itself above each real line
                continue
            return None
        if not our_hosts.wrote(hop.by):
            return None
        if hop.client is not None and not our_hosts.has(hop.client):
            return hop.stamp
    return None


def parse_received(value: str) -> Hop:
    """Read one Received value as Postfix, Exim, sendmail, qmail, Exchange and Gmail write it."""
    plain, comments = _apart(value[:LONGEST_LINE])
    clauses, _, stamp = plain.rpartition(";")
    signed = list(_BY.finditer(clauses or plain))
    if not signed:
        return Hop(None, None, _stamp(stamp))
    by = signed[-1]  # what stands before it may be a HELO with blanks and a "by" of its own
    origin = [text for at, text in comments if at <= by.start()]
    return Hop(by[1], _client(plain[: by.start()], origin), _stamp(stamp))


def _apart(text: str) -> tuple[str, list[tuple[int, str]]]:
    """Split a value into what stands outside comments, and the outermost comments with places."""
    plain: list[str] = []
    comments: list[tuple[int, str]] = []
    depth, begin, length = 0, 0, 0
    for match in _PARENTHESIS.finditer(text):
        at, sign = match.start(), match[0]
        if sign == "(":
            if depth == 0:
                plain.append(text[begin:at])
                length += at - begin
                begin = at + 1
            depth += 1
        elif sign == ")" and depth:
            depth -= 1
            if depth == 0:
                comments.append((length, text[begin:at]))
                begin = at + 1
    if depth == 0:
        plain.append(text[begin:])
    return "".join(plain), comments


def _client(origin: str, comments: list[str]) -> Address | None:
    """Return the address that our host recorded, never the one the client claimed in its HELO.

    It stands in the first comment that has one; what follows may quote the client's certificate.
    Exim writes `from [192.0.2.1] (helo=…)` where there is no name.
    """
    for comment in comments:
        recorded = _HELO.split(comment, maxsplit=1)[0]
        inside = _IN_BRACKETS.search(recorded)
        address = _address(inside[1]) if inside else None
        if address is None and _BARE.fullmatch(recorded.strip()):
            address = _address(recorded.strip())
        if address is not None:
            return address
    inside = _IN_BRACKETS.search(origin)
    return _address(inside[1]) if inside else None


def _address(text: str) -> Address | None:
    plain = text.partition("%")[0]
    if not _BARE.fullmatch(plain):  # most are names, and the exception is slow
        return None
    try:
        return ipaddress.ip_address(plain)
    except ValueError:
        return None


def _stamp(text: str) -> datetime | None:
    try:
        parts = parsedate_tz(text.strip())
        if parts is None:
            return None
        offset = timezone(timedelta(seconds=parts[9] or 0))
        return datetime(*parts[:6], tzinfo=offset).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # parsedate_tz itself raises these
        return None
