"""As much of an IMAP server as a poll needs, which fails where it is told to."""

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REFUSED = "NO [SERVERBUG] internal error"
INTERNAL_DATE = '"24-Nov-2026 11:30:00 +0000"'


class FaultyServer(socketserver.ThreadingTCPServer):
    """Folders with messages by UID, and what is wrong with them."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.folders: dict[str, dict[int, bytes]] = {"INBOX": {}, "Other": {}}
        # By UID: no | cut | nil (its body) | whole (but not in pieces) | headless (its header too)
        # | mute (all but the list)
        self.faults: dict[int, str] = {}
        self.broken_folders: dict[str, str] = {}  # STATUS answers this
        self.uidvalidity = 1
        self.cut_every_fetch = False
        self.stated_size: dict[int, int] = {}  # what RFC822.SIZE says instead of the truth
        self.before_fetch: Callable[[list[int]], None] = lambda _: None
        self.untagged: list[bytes] = []  # garbage that precedes every tagged answer
        self.greeting = "* OK [CAPABILITY IMAP4rev1] ready"
        self.connections = 0
        self.commands: list[str] = []


class Talk(socketserver.StreamRequestHandler):
    """One connection."""

    server: FaultyServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server.connections += 1
        self.folder = "INBOX"
        self.say(self.server.greeting)
        while line := self.rfile.readline().decode().strip():
            tag, _, command = line.partition(" ")
            self.server.commands.append(command)
            verb = command.split()[0].upper()
            if verb == "UID":
                verb = command.split()[1].upper()
            answer = getattr(self, f"do_{verb.lower()}", lambda _: "OK done")(command)
            if answer is None:
                return
            for garbage in self.server.untagged:
                self.wfile.write(garbage)
            self.say(f"{tag} {answer}")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode("latin-1") + b"\r\n")

    @property
    def messages(self) -> dict[int, bytes]:
        return self.server.folders[self.folder]

    def do_capability(self, _: str) -> str:
        self.say("* CAPABILITY IMAP4rev1")
        return "OK done"

    def do_list(self, _: str) -> str:
        for name in self.server.folders:
            self.say(f'* LIST () "/" "{name}"')
        return "OK done"

    def do_status(self, command: str) -> str | None:
        name = command.split('"')[1]
        fault = self.server.broken_folders.get(name)
        if fault == "cut":
            return None
        if fault is not None:
            return fault
        uids = self.server.folders[name]
        self.say(
            f'* STATUS "{name}" (MESSAGES {len(uids)} UIDNEXT {max(uids, default=0) + 1} '
            f"UIDVALIDITY {self.server.uidvalidity})"
        )
        return "OK done"

    def do_examine(self, command: str) -> str:
        self.folder = command.split('"')[1]
        self.say(f"* {len(self.messages)} EXISTS")
        self.say(f"* OK [UIDVALIDITY {self.server.uidvalidity}] ok")
        self.say(f"* OK [UIDNEXT {max(self.messages, default=0) + 1}] ok")
        return "OK [READ-ONLY] ok"

    def do_search(self, command: str) -> str:
        wanted = command.rsplit(maxsplit=1)[-1]
        first = int(wanted.partition(":")[0]) if wanted.endswith("*") else None
        found = [
            uid for uid in self.messages
            if (uid >= first if first is not None else str(uid) in wanted.split(","))
        ]  # fmt: skip
        self.say("* SEARCH " + " ".join(map(str, found)))
        return "OK done"

    def do_fetch(self, command: str) -> str | None:
        _, _, uids, items = command.split(" ", 3)
        asked = [int(uid) for uid in uids.split(",")]
        self.server.before_fetch(asked)
        for at, uid in enumerate(asked, 1):
            if uid in self.messages:
                answer = self._fetch_one(at, uid, items)
                if answer != "":
                    return answer
        return "OK done"

    def _fetch_one(self, at: int, uid: int, items: str) -> str | None:
        """Answer for one message; return "" to go on, None to hang up, or a refusal."""
        raw, fault = self.messages[uid], self.server.faults.get(uid)
        refused = {"mute": "", "headless": "BODY", "no": "BODY.PEEK[]", "whole": "BODY.PEEK[])"}
        if fault in refused and refused[fault] in items:
            return REFUSED
        known = self._known(uid, items)
        if "BODY" not in items:
            self.say(f"* {at} FETCH ({' '.join(known)})")
            return ""
        name, part = _part_of(raw, items)
        if fault == "nil" and name != "BODY[HEADER]":
            self.say(f"* {at} FETCH ({' '.join(known)} {name} NIL)")
            return ""
        head = f"* {at} FETCH ({' '.join(known)} {name} {{{len(part)}}}\r\n"
        is_cut = fault == "cut" or self.server.cut_every_fetch
        self.wfile.write(head.encode() + (part[:10] if is_cut else part + b")\r\n"))
        return None if is_cut else ""

    def _known(self, uid: int, items: str) -> list[str]:
        person = '(("Rita" NIL "rita" "reporter.example"))'
        size = self.server.stated_size.get(uid, len(self.messages[uid]))
        answers = {
            "INTERNALDATE": f"INTERNALDATE {INTERNAL_DATE}",
            "RFC822.SIZE": f"RFC822.SIZE {size}",
            "ENVELOPE": f'ENVELOPE (NIL "Known" {person} NIL NIL NIL NIL NIL NIL "<known@x>")',
        }
        return [f"UID {uid}", *(answers[item] for item in answers if item in items)]

    def do_logout(self, _: str) -> str:
        self.say("* BYE")
        return "OK done"


def _part_of(raw: bytes, items: str) -> tuple[str, bytes]:
    if "[HEADER]" in items:
        return "BODY[HEADER]", raw[: raw.find(b"\r\n\r\n") + 4]
    if asked := re.search(r"<(\d+)\.(\d+)>", items):
        offset, length = int(asked[1]), int(asked[2])
        return f"BODY[]<{offset}>", raw[offset : offset + length]
    return "BODY[]", raw


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    """Run a server without faults yet."""
    with FaultyServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
