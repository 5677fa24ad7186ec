"""Links inside the wrappers of mail gateways, undone without asking anybody.

A gateway's wrapper is only a way to write the link; whoever opened it would tell the gateway, and
perhaps the reporter, that we read the report.
"""

import base64
import binascii
import re
import string
from urllib.parse import unquote

from intake.evidence.urls import query_pairs, split_link

_GATEWAYS = (
    ".safelinks.protection.outlook.com", ".safelinks.protection.office365.us", ".safelinks.o365.cn",
    "urldefense.com", "urldefense.us", "urldefense.proofpoint.com", "google.com", "linkprotect.cudasvc.com",
    ".fireeye.com", "clicktime.symantec.com", ".trendmicro.com", ".protection.sophos.com",
    "secure-web.cisco.com", "slack-redir.net", "l.facebook.com", "statics.teams.cdn.office.net",
)  # fmt: skip
_TARGETS = ("url", "u", "q", "a", "destination", "target")  # of their parameters
_CODED = (
    "safelinks", "urldefense", ".sophos.com", "%3a%2f%2f", "%3a//", "=http", "web.archive.org/",
)  # fmt: skip
_ARCHIVED = re.compile(r"https?://web\.archive\.org/web/[\w*]+/(https?://.+)", re.IGNORECASE)
# Where certificates are named: a link to one of these counts inside any link.
_PLACES = re.compile(
    r"https?://(?:[\w-]+\.)*(?:crt\.sh|censys\.io|pwnedkeys\.com|misissued\.com)[/?:]",
    re.IGNORECASE,
)
_V3 = re.compile(r"/v3/__(.+?)__;([\w-]*)")
_V3_REPLACED = re.compile(r"\*(?:\*(.))?")
_V3_LENGTHS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_ONE_SLASH = re.compile(r"^(https?):/(?!/)")
MOST_WRAPPERS = 4  # one in the other, where companies forward to each other


def may_be_wrapped(lower: str) -> bool:
    """Tell quickly whether a text in lower case may hold a wrapped link."""
    return any(hint in lower for hint in _CODED)


def unwrap(url: str) -> str:
    """Return the link inside the wrappers of mail gateways, else the link itself."""
    for _ in range(MOST_WRAPPERS):
        inner = _unwrapped(url)
        if inner is None:
            return url
        url = inner
    return url


def _unwrapped(url: str) -> str | None:
    host, path, query = split_link(url)
    gateway = host.endswith(_GATEWAYS)
    if gateway and host.startswith("urldefense."):
        return _url_defense(url, path, query)
    if gateway and host == "secure-web.cisco.com":
        return _link_in(unquote(path.rpartition("/")[2]))
    if host == "web.archive.org":
        archived = _ARCHIVED.match(url)
        return archived[1] if archived else None
    if gateway and host.endswith("google.com") and path != "/url":
        return None
    return _in_parameters(host, query, gateway=gateway)


def _in_parameters(host: str, query: str, *, gateway: bool) -> str | None:
    for name, value in query_pairs(query):
        link = _link_in(value)
        if link and ((gateway and name in _TARGETS) or _PLACES.match(link)):
            return link
    if gateway and host.endswith("sophos.com"):
        return _link_in(_from_base64(_first(query, "u")))
    return None


def _first(query: str, name: str, *, decode: bool = True) -> str:
    pairs = query_pairs(query, decode=decode)
    return next((value for key, value in pairs if key == name and value), "")


def _link_in(text: str) -> str | None:
    return text if text[:7].lower() == "http://" or text[:8].lower() == "https://" else None


def _from_base64(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""


def _url_defense(url: str, path: str, query: str) -> str | None:
    if path.startswith("/v1/"):
        return _link_in(_first(query, "u"))
    if path.startswith("/v2/"):
        coded = _first(query, "u", decode=False)
        return _link_in(unquote(coded.replace("-", "%").replace("_", "/")))
    match = _V3.search(url)
    if match is None:
        return None
    inner = _ONE_SLASH.sub(r"\1://", match[1])
    replaced = iter(_from_base64(match[2]))

    def put_back(star: re.Match[str]) -> str:
        count = _V3_LENGTHS.find(star[1]) + 2 if star[1] else 1
        return "".join(char for _, char in zip(range(count), replaced, strict=False)) or star[0]

    return _link_in(_V3_REPLACED.sub(put_back, inner))
