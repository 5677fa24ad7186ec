"""Message-IDs and ticket tokens that a text mentions.

A forwarded report is found by its original Message-ID, so the header that a mail program quotes
into the text is read for it.
"""

import re

from intake.archive.message_id import ids_in

# As mail programs of other languages call the field when they quote it.
_NAMES = (
    r"(?:original-|resent-)?message-id|in-reply-to|references|nachrichten-id|message-kennung|id du message"
    r"|identifiant du message|id (?:del|de) mensaje|id da mensagem|id (?:del )?messaggio|bericht-id|meddelande-id"
    r"|meddelelses-id|identyfikator wiadomości|id wiadomości|id zprávy|идентификатор сообщения|код сообщения"
    r"|メッセージ ?id|邮件 ?id|郵件 ?id|消息 ?id|메시지 ?id"
)
_FIELD = re.compile(
    rf"^[ \t>|*]*(?:{_NAMES})[ \t*]*[:：][ \t*]*"
    r"((?:[^\s<>]+@[^\s<>]+)|(?:(?:[\s>|]*+<[^<>]{1,1000}>)+))",
    re.IGNORECASE | re.MULTILINE,
)
_FROM = re.compile(
    r"^[ \t>|*]*(?:from|von|de|da|van|från|fra|lähettäjä|feladó|od|nadawca|kimden|gönderen|от(?: кого)?|від|发件人|寄件者|寄件人"
    r"|差出人|送信者|보낸 ?사람|מאת)[ \t*]{0,4}[:：][ \t*]*([^\r\n]{3,300})\r?\n((?:[^\r\n]{1,400}\r?\n){1,6})",
    re.IGNORECASE | re.MULTILINE,
)
_LABELLED = re.compile(r"^[ \t>|*]*[^\W\d_][^:：\r\n<>]{1,25}[ \t*]?[:：]", re.MULTILINE)
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]+(?:\.[\w-]+)+")
MOST_FORWARDED = 20
_HINTS = ("-id", "in-reply-to", "references", "id d", "id w", "id messaggio", "kennung", "identif")
_TOKEN = re.compile(r"\[CPR-([1-9]\d{0,8})-([0-9a-f]{8})\]", re.IGNORECASE)


def find_quoted_ids(text: str) -> list[str]:
    """Return Message-IDs in header fields that stand in a text, as `<…@…>`."""
    if "@" not in text:
        return []
    lower = text.lower()
    if lower.isascii() and not any(hint in lower for hint in _HINTS):
        return []
    found: list[str] = []
    for match in _FIELD.finditer(text):
        found += ids_in(match[1]) if "<" in match[1] else [f"<{match[1]}>"]
    return found


def find_tokens(text: str) -> list[tuple[int, str]]:
    """Return number and token of each `[CPR-12-abcdef01]`."""
    return [(int(match[1]), match[2].lower()) for match in _TOKEN.finditer(text)]


def find_forwarded(text: str) -> list[str]:
    """Return the senders of messages that were forwarded or quoted with their header lines.

    A line such as `From: Rita <rita@reporter.example>` counts where at least one more labelled line
    follows it, in whatever language.
    """
    if "@" not in text:
        return []
    found: dict[str, None] = {}
    for match in _FROM.finditer(text):
        address = _ADDRESS.search(match[1])
        if address and _LABELLED.search(match[2]):
            found[address[0].lower()] = None
            if len(found) >= MOST_FORWARDED:
                break
    return list(found)
