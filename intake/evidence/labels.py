"""What the words around a long value call it: a fingerprint, the hash of a key, or something else."""

import re

from intake.evidence.shapes import SHA1_DIGITS

FINGERPRINT, KEY, OTHER = "", "key", "other"
REACH = 44  # characters before a value, blanks collapsed

_KEY_HASH = re.compile(
    r"spki|public[ -]?key|pubkey|subject ?public ?key ?info|\bpins?\b|pin-sha256|öffentlich\w* schlüssel"
    r"|(?:clés? publique|clave pública|chave pública|chiave pubblica|publieke sleutel|offentlig\w* n[øy]\w+|klucz\w* publiczn|veřejn\w+ klíč)"
    r"|(?:открыт|публичн|відкрит)\w+ ключ|公開鍵|公[钥鑰]|공개 ?키",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"key ?id(?:entifier)?\b|keyid|log ?id\b|\bski\b|\baki\b|\bcommit|\bgit\b|revision|changeset|changes (?:up to|since)"
    r"|\btree\b|\bmd5\b|\buuid\b|\bguid\b|transaction|\btxid\b|boundary|message-?id|modulus|\bnonce\b|--hash|checksum"
    r"|\bdigest:|\w@sha256:",
    re.IGNORECASE,
)
# Words that reports use too: only right before a value they say what it is.
_OTHER_RIGHT_BEFORE = re.compile(
    r"(?:\brev|\bhead(?: is)?(?: now)? at|\bmerge[ds]?|\bbranch [\w./-]{1,40} (?=\()|\btx(?:hash)?|\bblock ?hash|\bipfs\b[\w ]{0,20}"
    r"|\betag|\btokens?|\bsession(?: ?id)?|\bapi[ _-]?key|\bunsubscribe)(?: is| code| code is)?[\s:=\"'(/#-]*\Z",
    re.IGNORECASE,
)
# Fingerprints of other keys, as people have them below their names, and addresses of money; only
# the word certificate changes that.
_ANOTHER_KEY = re.compile(
    r"\b(?:open)?pgp\b|\bgnupg\b|\bgpg\b|\bssh\b|\bkey ?finger ?print|\bwallet\b|\b(?:eth|btc|usdt)\b",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(
    r"certificate|\bcert\b|x\.?509|\btls\b|\bssl\b|zertifikat|certificat", re.IGNORECASE
)
_SAYS_FINGERPRINT = re.compile(r"finger ?print|thumb ?print|certificate|\bcert\b", re.IGNORECASE)
# One of these stands in whatever is looked for above; before most values none does.
_HINTS = (
    "key", "spki", "pin", "log", "ski", "aki", "commit", "git", "changes", "tree", "gp", "md5", "uid",
    "transact", "tx", "bound", "messag", "modul", "nonce", "--hash", "checksum", "digest:", "@sha256:", "rev", "head", "merge", "branch",
    "block", "ipfs", "etag", "token", "session", "subscribe", "ssh", "wallet", "eth",
    "btc", "usdt", ") =", ")=", "schlüssel", "publi", "públi", "pubbli", "offentlig", "veřejn", "ключ", "公", "공개",
)  # fmt: skip
# What `sha256sum` prints, in both forms, for files that are no certificate.
_FILE = (
    r"[\w./+~-]{1,200}\.(?:tar|t?gz|bz2|xz|zst|zip|7z|deb|dsc|rpm|iso|img|exe|msi|dmg|pkg|jar|whl|apk|gem|asc|sig"
    r"|changes)\b"
)
_FILE_AFTER = re.compile(rf"[ \t]{{1,2}}[ *]?{_FILE}", re.IGNORECASE)
_FILE_BEFORE = re.compile(rf"\({_FILE}\) ?= ?\Z", re.IGNORECASE)


def label_of(text: str, start: int, end: int, *, digits: int) -> str:
    """Return FINGERPRINT, KEY or OTHER for a value by what stands before it, or after it."""
    if text[end : end + 1] in (" ", "\t") and _FILE_AFTER.match(text, end):
        return OTHER
    before = text[max(0, start - 3 * REACH) : start]
    lower = before.lower()
    if not _may_be_labelled(lower):
        return FINGERPRINT
    return _by_words(" ".join(before.split())[-REACH:], before, digits)


def _may_be_labelled(lower: str) -> bool:
    for hint in _HINTS:  # noqa: SIM110 - half the time of any(), once for each value
        if hint in lower:
            return True
    return False


def _by_words(near: str, before: str, digits: int) -> str:
    if _FILE_BEFORE.search(before):
        return OTHER
    if _KEY_HASH.search(near):
        return KEY
    another = _last(_ANOTHER_KEY, near)
    if another > _last(_CERTIFICATE, near):
        return (
            OTHER if digits == SHA1_DIGITS or "finger" not in near[another - 12 :].lower() else KEY
        )
    if _OTHER_RIGHT_BEFORE.search(near):
        return OTHER
    other = _last(_OTHER, near)
    return OTHER if other > _last(_SAYS_FINGERPRINT, near) else FINGERPRINT


def _last(pattern: re.Pattern[str], text: str) -> int:
    """Return where the last match ends; -1 if there is none."""
    return max((match.end() for match in pattern.finditer(text)), default=-1)
