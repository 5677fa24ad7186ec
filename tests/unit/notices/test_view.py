from datetime import timedelta

import pytest
from sqlalchemy import event

from intake.database import Database
from intake.notices.view import ticket_view, ticket_views, view_as_json
from intake.tables import (
    Certificate,
    ItemCertificate,
    Job,
    LintFinding,
    LintRun,
    MessageIdEntry,
    Notice,
)
from tests.builders import NOW
from tests.notice_builders import add_items, add_message, add_ticket

pytestmark = pytest.mark.both_databases

DIGEST = "ab" * 32


def test_the_document_has_exactly_the_keys_of_the_contract(database: Database):
    with database.write() as session:
        ticket = add_ticket(session)
        message = add_message(session, ticket, in_junk=True)
        session.add(
            MessageIdEntry(
                message=message.id,
                source="header",
                original="<a@b>",
                normalised="a@b",
                folded="a@b",
            )
        )
        (item,) = add_items(session, ticket, message, 1, state="resolved", ours="yes", lint="done")
        session.add(
            Certificate(sha256=DIGEST, sha1="0", der=b"x", origin="mail", first_seen_at=NOW)
        )
        session.flush()
        session.add(ItemCertificate(item=item.id, sha256=DIGEST))
        old = LintRun(certificate=DIGEST, linter="pkilint", version="1", state="done", at=NOW)
        new = LintRun(certificate=DIGEST, linter="pkilint", version="2", state="done", at=NOW)
        session.add_all([old, new])
        session.flush()
        session.add(LintFinding(run=old.id, code="gone", severity="fatal"))
        session.add(LintFinding(run=new.id, code="a", severity="error"))
        session.add(LintFinding(run=new.id, code="a", severity="error"))
        session.add(
            Notice(
                key="card:1",
                kind="card",
                ticket=ticket.id,
                due_at=NOW,
                to="C0CPR",
                created_at=NOW,
                next_try_at=NOW,
            )
        )
    with database.read() as session:
        document = view_as_json(ticket_view(session, 1))

    assert document == {
        "number": 1,
        "state": "open",
        "disposition": None,
        "priority": "normal",
        "subject": "Misissued certificate",
        "received_at": "2026-11-24T12:00:00Z",
        "opened_at": "2026-11-24T12:00:00Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "assignee": None,
        "closed_at": None,
        "closed_by": None,
        "closed_reason": None,
        "labels": [],
        "message_ids": ["<a@b>"],
        "reporters": ["rita@reporter.example"],
        "obligations": [
            {
                "kind": "revocation",
                "item": 1,
                "due_at": "2026-11-25T12:00:00Z",
                "met_at": None,
                "waived_at": None,
                "basis": "BR 4.9.1.1 (2.2.6)",
            }
        ],
        "certificates": [
            {
                "item": 1,
                "serial_number": None,
                "issuer": None,
                "sha256s": [DIGEST],
                "crtsh_ids": [1001],
                "named_as": ["https://crt.sh/?id=1001"],
                "state": "resolved",
                "ours": "yes",
                "lint": "done",
                "findings": {"error": 2},
                "suggested_reason": None,
                "revocation": "not_checked",
                "revocation_detail": None,
            }
        ],
        "notices": [
            {
                "step": "card",
                "covers": [],
                "due_at": "2026-11-24T12:00:00Z",
                "sent_at": None,
                "medium": "slack",
                "to": "C0CPR",
            }
        ],
    }


def test_merged_items_are_shown_once_with_all_their_names(database: Database):
    with database.write() as session:
        ticket = add_ticket(session)
        message = add_message(session, ticket)
        first, second = add_items(session, ticket, message, 2)
        second.merged_into = first.id
        session.add(second)
    with database.read() as session:
        view = ticket_view(session, 1)

    assert list(view.items[0].crtsh_ids) == [1001, 1002]
    assert len(view.items) == view.counts.total == 1
    assert {1} == {one["item"] for one in view_as_json(view)["obligations"]}


def test_a_long_list_costs_a_card_few_queries_and_no_rows(database: Database):
    with database.write() as session:
        ticket = add_ticket(session)
        add_items(session, ticket, add_message(session, ticket), 3000)
    queries = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *arguments: queries.append(arguments[2])
    )
    with database.read() as session:
        view = ticket_view(session, 1, whole=False)

    assert (view.counts.total, view.counts.unresolved) == (3000, 3000)
    assert (3000, NOW + timedelta(hours=24)) == (
        view.revocations.open,
        view.revocations.next_due_at,
    )
    assert view.items == ()
    assert len(queries) < 20


def test_a_ticket_that_takes_turns_waits_for_its_share_of_the_others(database: Database):
    with database.write() as session:
        for number, count in ((1, 2), (2, 5)):
            ticket = add_ticket(session, subject=f"t{number}")
            session.add_all(
                Job(
                    key=f"resolve_item:{number}.{job}",
                    kind="resolve_item",
                    subject="1",
                    ticket=ticket.id,
                    due_at=NOW,
                )
                for job in range(count)
            )
    with database.read() as session:
        views = ticket_views(session)

    assert [view.lookups_ahead for view in views] == [4, 7]


def test_views_can_be_had_of_some_states_only(database: Database):
    with database.write() as session:
        add_ticket(session, subject="a")
        add_ticket(session, subject="b", state="closed")
    with database.read() as session:
        views = ticket_views(session, states=["closed"])

    assert [view.number for view in views] == [2]
