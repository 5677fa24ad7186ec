"""A card is shown anew after each turn of linting: with thousands of certificates that must be cheap."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlmodel import SQLModel

from intake.notices.view import ticket_view
from intake.tables import Ticket
from tests.builders import NOW

pytestmark = pytest.mark.both_databases

MANY = 3000
LINTERS = ("pkilint", "intake", "badkeys", "badkeys-blocklist")
MOST_SECONDS = 1.0  # of the processor; it takes a tenth of that


def fill(session, count: int) -> None:
    """Put a ticket with linted certificates into the database, none of them by the block list."""
    session.add(Ticket(token="a", received_at=NOW, opened_at=NOW))
    session.flush()
    numbers = range(count)
    rows = {
        "certificate": [
            {"sha256": f"{one:064x}", "sha1": f"{one:040x}", "der": b"x", "origin": "mail",
             "first_seen_at": NOW, "precertificate": False, "read_by": "der", "ours": "yes",
             "ours_why": "", "names_us": False}
            for one in numbers
        ],
        "item": [
            {"ticket": 1, "number": one + 1, "received_at": NOW, "state": "resolved", "ours": "yes",
             "lint": "done", "revocation": "not_checked", "alarms": []}
            for one in numbers
        ],
        "itemcertificate": [{"item": one + 1, "sha256": f"{one:064x}"} for one in numbers],
        "lintrun": [
            {"certificate": f"{one:064x}", "linter": name, "at": NOW,
             **({"version": "", "state": "absent"} if name == LINTERS[-1] else {"version": "1", "state": "done"})}
            for one in numbers
            for name in LINTERS
        ],
        "lintfinding": [
            {"run": len(LINTERS) * one + 1, "code": f"code{each}", "severity": "error", "message": "m"}
            for one in numbers
            for each in range(3)
        ],
    }  # fmt: skip
    for table, many in rows.items():
        session.execute(insert(SQLModel.metadata.tables[table]), many)


def test_the_card_of_thousands_of_linted_certificates_costs_little(database):
    with database.write() as session:
        fill(session, MANY)

    begun, begun_cpu = time.monotonic(), time.process_time()
    with database.read() as session:
        view = ticket_view(session, 1, whole=False)
    took = min(time.monotonic() - begun, time.process_time() - begun_cpu)

    assert view.counts.lint_done == MANY
    assert [one.certificates for one in view.worst] == [MANY] * 3
    assert view.lint.absent == ("badkeys-blocklist",)
    assert took < MOST_SECONDS


def test_a_linter_that_came_later_is_no_longer_said_to_be_absent(database):
    with database.write() as session:
        fill(session, 2)
        run = {"certificate": f"{0:064x}", "linter": LINTERS[-1], "version": "2", "state": "done"}
        table = SQLModel.metadata.tables["lintrun"]
        session.execute(insert(table), [run | {"at": NOW + timedelta(days=1)}])
    with database.read() as session:
        half = ticket_view(session, 1, whole=False)
    with database.write() as session:
        session.execute(insert(table), [run | {"certificate": f"{1:064x}", "at": NOW}])
    with database.read() as session:
        none = ticket_view(session, 1, whole=False)

    assert half.lint.absent == (LINTERS[-1],)  # over the other certificate it was never there
    assert none.lint.absent == ()
