"""The pieces of a link."""

from urllib.parse import unquote


def split_link(url: str) -> tuple[str, str, str]:
    """Return host (lower case, without user, port and final dot), path and query of a link."""
    rest = url.partition("://")[2].partition("#")[0]
    before, question, query = rest.partition("?")
    host, slash, path = before.partition("/")
    host = host.rpartition("@")[2].partition(":")[0].rstrip(".").lower()
    return host, slash + path, query if question else ""


def query_pairs(query: str, *, decode: bool = True) -> list[tuple[str, str]]:
    """Return names (lower case) and values of a query, also of one whose `&` were left escaped."""
    pairs = []
    for pair in query.split("&")[:200]:
        name, _, value = pair.partition("=")
        if decode:
            name, value = unquote(name), unquote(value.replace("+", " "))
        pairs.append((name.strip().lower().removeprefix("amp;"), value.strip()))
    return pairs
