"""Domain names that a text names, as reports on misissued names do.

Kept modest: what looks like a file or a sentence is left out, as are the hosts that reports link
to. Hosts of links are not named by that alone; see identifiers.py for the ones made harmless.
"""

import re

from intake.evidence.links import MOST

# Places that reports point at and do not complain of.
REFERENCES = frozenset((
    "crt.sh", "censys.io", "misissued.com", "mozilla.org", "cabforum.org", "ccadb.org", "pkimet.al",
    "pwnedkeys.com", "github.com", "gitlab.com", "chromium.org", "google.com", "googlegroups.com",
    "ietf.org", "rfc-editor.org", "urldefense.com", "outlook.com", "letsencrypt.org", "w3.org",
))  # fmt: skip
# Endings of file names that are no, or rarely a, top-level domain of a reported name.
_FILES = (
    "txt der pem crt cer cert key csr crl p7b p7c p7s p12 pfx zip gz tar xz bz2 rar eml msg csv xls"
    " xlsx doc docx pdf odt ods html htm php asp aspx jsp js css json xml yml yaml toml ini conf cfg"
    " log png jpg jpeg gif svg ico exe dll bin iso sh py pl rb rs go c h cpp java class jar md rst"
    " bat cmd ps asn"
)
_GENERIC = (
    "com net org edu gov mil int info biz name pro aero coop museum jobs travel tel cat asia post mobi"
    " xxx arpa local localdomain internal intranet lan corp home private test example invalid onion"
    " localhost app dev page cloud online site website web store shop xyz top club vip live life"
    " world today news blog tech digital systems solutions services network agency company email"
    " group team work space fun icu link click win bank insurance finance money health care london"
    " berlin paris tokyo nyc amsterdam wien hamburg koeln eus gal bzh google apple microsoft"
)
FILES, GENERIC = frozenset(_FILES.split()), frozenset(_GENERIC.split())

_NAME = re.compile(r"(?<![\w.@/=-])(?>(?:\*\.)?)[\w-]++(?>(?:\.[\w-]++)+)(?![\w@(=]|/[\w.-]|:[\w])")
_LABEL_BEFORE = re.compile(r"(?<![\w-])[\w-]++\Z")
_DOT = re.compile(r"\.(?=\w)")
LONGEST_NAME = 253
LONGEST_LABEL = 63


def find_domains(text: str, *, most: int = MOST) -> list[tuple[str, int]]:
    """Return domain names of a text, wildcards included, each with its position."""
    found: list[tuple[str, int]] = []
    done = 0
    for dot in _DOT.finditer(text):
        if dot.start() < done:
            continue
        if len(found) >= most:
            break
        done = dot.end()
        start = _start(text, dot.start())
        match = _NAME.match(text, start)
        name = _domain(match[0]) if match else None
        if match:
            done = match.end()
        if name:
            found.append((name, start))
    return found


def _start(text: str, dot: int) -> int:
    """Return where the first label begins; the place is looked for backwards, as dots are few."""
    label = _LABEL_BEFORE.search(text, max(0, dot - LONGEST_LABEL - 1), dot)
    start = label.start() if label else dot
    return start - 2 if text[max(0, start - 2) : start] == "*." else start


def _domain(written: str) -> str | None:
    labels = written.split(".")
    ending = labels[-1]
    if not (ending.isalpha() or ending.startswith("xn--")) or not (
        ending.islower() or ending.isupper()
    ):
        return None
    name = written.lower()
    if not _is_known(labels, ending.lower()) or is_reference(name):
        return None
    if len(name) > LONGEST_NAME or any(len(label) > LONGEST_LABEL for label in labels):
        return None
    return name


def _is_known(labels: list[str], ending: str) -> bool:
    if labels[0] == "*":
        return len(ending) > 1
    if ending in FILES and ending not in GENERIC:
        return False
    if ending in GENERIC or ending.startswith("xn--"):
        return True
    if len(ending) < 2:  # noqa: PLR2004
        return False
    shortest = min(len(label) for label in labels[:-1])
    if len(ending) == 2 and ending.isascii():  # noqa: PLR2004 - a country
        return shortest > 1 or len(labels) > 2  # noqa: PLR2004 - not e.g. or i.e
    return len(labels) > 2 and labels[0].isascii()  # noqa: PLR2004


def is_reference(name: str) -> bool:
    """Tell whether a name belongs to a place that reports only point at."""
    labels = name.split(".")
    return any(".".join(labels[-count:]) in REFERENCES for count in (2, 3))
