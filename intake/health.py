"""How the installation is: for `/healthz`, `/readyz` and `/metrics` on loopback.

`/healthz` says what is wrong now (503, a line each), `/readyz` whether every mailbox was read
since the start, `/metrics` the figures for Prometheus. Nothing in them comes from a mail.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from intake.clock import Clock
from intake.database import Database
from intake.tables import Folder, Job, Message, Notice, Obligation, Ticket, WatchedMailbox

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Figures:
    """What is counted: instants are in UTC, None where there is nothing."""

    oldest_undecided_at: datetime | None  # first seen, no ticket and no decision yet
    outbox_waiting: int
    oldest_notice_due_at: datetime | None
    jobs_waiting: dict[str, int]  # by kind
    tickets: dict[str, int]  # by state
    next_due_at: datetime | None  # of what is owed and neither met nor waived
    overdue: int
    mailboxes: dict[str, datetime | None]  # last good poll
    folders: dict[tuple[str, str], datetime]  # last poll, by mailbox and folder
    newest_lag: float | None  # seconds from T0 to the newest card


def read_figures(session: Session, now: datetime) -> Figures:
    """Count what is waiting, owed and covered; each is one query over an index."""
    waiting = (Notice.state == "waiting", Notice.due_at <= now)
    owed = (col(Obligation.met_at).is_(None), col(Obligation.waived_at).is_(None))
    outbox, oldest_notice = session.exec(
        select(func.count(), func.min(Notice.due_at)).where(*waiting)
    ).one()
    card = session.exec(
        select(Notice.sent_at, Ticket.received_at)
        .join(Ticket, col(Ticket.id) == col(Notice.ticket))
        .where(Notice.kind == "card", col(Notice.sent_at).is_not(None))
        .order_by(col(Notice.id).desc())
        .limit(1)
    ).first()
    return Figures(
        oldest_undecided_at=session.exec(
            select(func.min(Message.first_seen_at)).where(col(Message.decision).is_(None))
        ).one(),
        outbox_waiting=outbox,
        oldest_notice_due_at=oldest_notice,
        jobs_waiting=_counts(session, Job.kind, Job.state == "waiting"),
        tickets=_counts(session, Ticket.state),
        next_due_at=session.exec(select(func.min(Obligation.due_at)).where(*owed)).one(),
        overdue=session.exec(
            select(func.count()).where(*owed, Obligation.due_at < now)
        ).one(),
        mailboxes={
            one.name: one.last_good_poll_at for one in session.exec(select(WatchedMailbox)).all()
        },
        folders={
            (one.mailbox, one.name): one.last_polled_at
            for one in session.exec(select(Folder).where(col(Folder.gone_since).is_(None))).all()
        },
        newest_lag=None if card is None or card[0] is None
        else (card[0] - card[1]).total_seconds(),
    )  # fmt: skip


def _counts(session: Session, column: str, *where: object) -> dict[str, int]:
    query = select(column, func.count()).group_by(column)
    for condition in where:
        query = query.where(condition)  # type: ignore[arg-type]
    return dict(session.exec(query).all())


class FiguresCollector(Collector):
    """Gives Prometheus the figures of the moment."""

    def __init__(self, database: Database, clock: Clock, troubles: Callable[[], list[str]]) -> None:
        """Collect from a database and from the loops of the service."""
        self._database, self._clock, self._troubles = database, clock, troubles

    def collect(self) -> Iterator[Metric]:
        """Yield every gauge; ages are seconds before now."""
        now = self._clock()
        yield _gauge("intake_troubles", "Steps of the service that fail at the moment",
                     [((), float(len(self._troubles())))])  # fmt: skip
        with self._database.read() as session:
            figures = read_figures(session, now)
        yield from _gauges(figures, now)


def _gauges(figures: Figures, now: datetime) -> Iterator[Metric]:
    def age(at: datetime | None) -> float:
        return 0.0 if at is None else (now - at).total_seconds()

    yield _gauge("intake_oldest_undecided_message_age_seconds",
                 "Age of the oldest archived message without a ticket or a decision",
                 [((), age(figures.oldest_undecided_at))])  # fmt: skip
    yield _gauge("intake_outbox_notices", "Notices that are due and not delivered",
                 [((), float(figures.outbox_waiting))])  # fmt: skip
    yield _gauge("intake_oldest_notice_age_seconds", "How long the oldest of them is due",
                 [((), age(figures.oldest_notice_due_at))])  # fmt: skip
    yield _gauge("intake_jobs_waiting", "Jobs that wait",
                 [((kind,), float(n)) for kind, n in figures.jobs_waiting.items()],
                 ("kind",))  # fmt: skip
    yield _gauge("intake_tickets", "Tickets by state",
                 [((state,), float(n)) for state, n in figures.tickets.items()],
                 ("state",))  # fmt: skip
    yield _gauge("intake_overdue_obligations", "What is owed and late",
                 [((), float(figures.overdue))])  # fmt: skip
    if figures.next_due_at is not None:
        yield _gauge("intake_next_due_seconds", "Seconds until the next obligation falls due",
                     [((), -age(figures.next_due_at))])  # fmt: skip
    yield _gauge("intake_mailbox_last_good_poll_age_seconds",
                 "Seconds since a mailbox was read whole",
                 [((name,), age(at)) for name, at in figures.mailboxes.items() if at],
                 ("mailbox",))  # fmt: skip
    yield _gauge("intake_folder_last_poll_age_seconds", "Seconds since a folder was read",
                 [(place, age(at)) for place, at in figures.folders.items()],
                 ("mailbox", "folder"))  # fmt: skip
    if figures.newest_lag is not None:
        yield _gauge("intake_newest_card_lag_seconds", "From T0 to the newest card",
                     [((), figures.newest_lag)])  # fmt: skip


def _gauge(
    name: str,
    text: str,
    values: Iterable[tuple[tuple[str, ...], float]],
    labels: tuple[str, ...] = (),
) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        gauge.add_metric(label_values, value)
    return gauge


class HealthServer:
    """Answers on loopback only, in a thread of its own."""

    def __init__(
        self,
        port: int,
        collector: Collector,
        *,
        troubles: Callable[[], list[str]],
        unready: Callable[[], list[str]],
    ) -> None:
        """Prepare; `start` listens.

        Args:
            port: on 127.0.0.1; 0 for a free one.
            collector: of the figures.
            troubles: says what fails at the moment.
            unready: says what was not done since the start.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        pages: dict[str, Callable[[], tuple[int, bytes]]] = {
            "/healthz": lambda: _verdict(troubles()),
            "/readyz": lambda: _verdict(unready()),
            "/metrics": lambda: (200, generate_latest(registry)),
        }
        self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(pages))
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Start to answer."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _verdict(problems: list[str]) -> tuple[int, bytes]:
    if not problems:
        return 200, b"ok\n"
    return 503, ("\n".join(problems) + "\n").encode()


def _handler(
    pages: dict[str, Callable[[], tuple[int, bytes]]],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            try:
                status, body = (404, b"not found\n") if page is None else page()
            except (SQLAlchemyError, OSError) as error:
                status, body = 503, f"{type(error).__name__}\n".encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Leave the log to what matters."""

    return Handler
