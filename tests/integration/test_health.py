"""What a monitor sees of the installation, over real HTTP."""

import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from intake.database import Database
from intake.health import FiguresCollector, HealthServer
from intake.tables import Message
from tests.builders import NOW


def fetch(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def state() -> dict[str, list[str]]:
    return {"troubles": [], "unready": []}


@pytest.fixture
def server(database: Database, state: dict[str, list[str]]):
    collector = FiguresCollector(database, lambda: NOW, lambda: state["troubles"])
    server = HealthServer(
        0, collector, troubles=lambda: state["troubles"], unready=lambda: state["unready"]
    )
    server.start()
    yield server
    server.stop()


def test_a_healthy_service_says_ok(server: HealthServer) -> None:
    assert fetch(server, "/healthz") == (200, "ok\n")
    assert fetch(server, "/readyz") == (200, "ok\n")


def test_what_fails_is_named_with_status_503(
    server: HealthServer, state: dict[str, list[str]]
) -> None:
    state["troubles"].append("mailbox cps: connection refused")
    state["unready"].append("mailbox cps was not read yet")

    assert fetch(server, "/healthz") == (503, "mailbox cps: connection refused\n")
    assert fetch(server, "/readyz") == (503, "mailbox cps was not read yet\n")


def test_metrics_tell_the_age_of_what_nobody_decided(
    server: HealthServer, database: Database
) -> None:
    with database.write() as session:
        session.add(
            Message(
                sha256="0" * 64,
                size=1,
                body_sha256="0" * 64,
                received_at=NOW,
                received_from="received",
                first_seen_at=NOW - timedelta(seconds=90),
            )
        )

    status, text = fetch(server, "/metrics")

    assert status == 200
    assert "intake_oldest_undecided_message_age_seconds 90.0" in text
    assert "intake_outbox_notices 0.0" in text
    assert "intake_troubles 0.0" in text


def test_a_broken_database_still_gets_an_answer(server: HealthServer, database: Database) -> None:
    with database.write() as session:
        session.connection().exec_driver_sql("DROP TABLE watchedmailbox")

    assert fetch(server, "/metrics")[0] == 503
    assert fetch(server, "/healthz")[0] == 200


def test_it_listens_on_loopback_only(server: HealthServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"
