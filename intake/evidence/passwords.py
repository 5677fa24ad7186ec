"""Passwords that a message says, to try on what it locks.

People write "the password is hunter2", put it in quotes, or on the next line; some put it into a
second mail, and then nothing can be opened.
"""

import re
from collections.abc import Iterable

MOST = 60
LONGEST = 128
COMMON = ("", "password", "changeit", "changeme", "secret", "infected", "1234", "123456", "test")

_WORD = (
    r"(?:pass(?:\s?-?(?:word|phrase|code))?|pwd|p/?w|pin|unlock|passwort|kennwort|mot\s+de\s+passe|contrase(?:ñ|n)a|senha"
    r"|wachtwoord|parola(?:\s+chiave)?|has(?:ł|l)o|heslo|jelsz(?:ó|o)|l(?:ö|o)senord|salasana|adgangskode|passord|пароль|κωδικ(?:ό|ο)ς"
    r"|パスワード|密码|密碼|비밀번호|şifre|סיסמה|كلمة المرور)"
)
_NEAR = re.compile(
    rf"(?<![A-Za-z]){_WORD}(?![a-z])([^\r\n]{{0,200}}(?:\r?\n[^\r\n]{{0,100}})?)", re.IGNORECASE
)
_AFTER = re.compile(
    r"\s*(?:\([^)]{0,40}\)|(?:for|to|of|für|de)\s[^:=\r\n]{1,60})?\s*(?:is|ist|est|es|lautet|was|è|:|=|：|-|–)+\s*"
    r"[\"'“”«»‘’`<\[]?([^\s\"“”«»`<>]{1,128})",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“„«‘'`]([^\"”“»’'`\r\n]{1,128})[\"”“»’'`]")
_TOKEN = re.compile(r"\S{3,128}")
_EDGES = ".,;:!?()[]{}<>\"'“”„«»‘’`*"


def password_candidates(texts: Iterable[str]) -> list[str]:
    """Return what may be a password, the likeliest first, each once."""
    after: list[str] = []
    quoted: list[str] = []
    tokens: list[str] = []
    for text in texts:
        for match in _NEAR.finditer(text):
            said = match[1]
            first = _AFTER.match(said)
            after += _forms(first[1]) if first else []
            quoted += [one for found in _QUOTED.findall(said)[:5] for one in _forms(found)]
            tokens += [one for found in _TOKEN.findall(said)[:12] for one in _forms(found)]
            if len(tokens) > 10 * MOST:
                break
    found = dict.fromkeys([*after, *quoted, *COMMON, *tokens])
    return [one for one in found if len(one) <= LONGEST][:MOST]


def _forms(text: str) -> list[str]:
    """Return a word as it stands and without what a sentence puts around it."""
    bare = text.strip(_EDGES)
    return [one for one in dict.fromkeys([text.rstrip(".,;"), bare, text]) if one]
