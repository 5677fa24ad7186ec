"""The job `watch_revocation`: whether what must be revoked is, until the certificate expires.

Every certificate of ours in a ticket is watched, more often while its revocation is owed or was
claimed. What a revocation obligation waits for is publication that we observed ourselves; no
person can say that it happened. No transaction is open while anybody outside is asked.

Source: BR 4.9.1.1, 4.9.5, 4.9.7, 4.9.9.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, and_, col, or_, select, update

from intake.certificates.ownership import IssuingCa, IssuingCas
from intake.certificates.revocation import (
    NO_ISSUER,
    NOT_CHECKED,
    UNAVAILABLE,
    SourceAnswer,
    addresses_in,
    is_ca_certificate,
    update_status,
)
from intake.certificates.revocation_check import Question, RevocationClient
from intake.clock import Clock
from intake.database import Database
from intake.jobs import enqueue, finish
from intake.tables import (
    Certificate,
    Item,
    ItemCertificate,
    Job,
    Obligation,
    RevocationStatus,
    Ticket,
)
from intake.tickets.desk import Desk
from intake.tickets.obligations import REVOCATION
from intake.tickets.revocation_evidence import keep_evidence
from intake.tickets.revocation_result import carry_to_items

KIND = "watch_revocation"
SOON = timedelta(hours=24)  # a revocation that is due within it is looked after more often


@dataclass(frozen=True)
class Rhythm:
    """How often a certificate is looked at."""

    every: timedelta
    urgent_every: timedelta  # while its revocation is owed soon, was claimed, or a source is down


# ---- what is watched ---------------------------------------------------------------------------


def queue_watches(session: Session, *, now: datetime) -> int:
    """Begin to watch every certificate of ours in an open ticket; return how many are new.

    One that is watched already is looked at now if another ticket names it.
    """
    seen: set[tuple[str | None, str | None]] = set()
    for certificate, ticket, status in session.exec(_unwatched(now)).all():
        identity = (certificate.issuer_sha256, certificate.serial_number)
        if identity not in seen:
            seen.add(identity)
            _watch(session, certificate, ticket, status, now=now)
    return len(seen)


def has_unwatched(session: Session, *, now: datetime) -> bool:
    """Say whether there is a certificate that `queue_watches` would find."""
    return session.exec(_unwatched(now).limit(1)).first() is not None


def _unwatched(now: datetime) -> Any:  # noqa: ANN401 - a query over three things
    same = and_(
        col(RevocationStatus.issuer_sha256) == col(Certificate.issuer_sha256),
        col(RevocationStatus.serial_number) == col(Certificate.serial_number),
    )
    is_new = or_(col(RevocationStatus.id).is_(None), col(RevocationStatus.watched).is_(False))
    is_unseen = and_(
        col(Item.revocation) == NOT_CHECKED,
        col(RevocationStatus.checked_at).is_not(None),
        col(RevocationStatus.state) != NOT_CHECKED,  # there is a source to ask
    )
    return (
        select(Certificate, Item.ticket, RevocationStatus)
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .join(Item, col(Item.id) == col(ItemCertificate.item))
        .join(Ticket, col(Ticket.id) == col(Item.ticket))
        .join(RevocationStatus, same, isouter=True)
        .where(
            col(Ticket.state).in_(("open", "acknowledged")),  # an index finds what is so
            Certificate.ours == "yes",
            col(Certificate.issuer_sha256).is_not(None),
            col(Certificate.serial_number).is_not(None),
            col(Item.merged_into).is_(None),
            or_(col(Certificate.not_after).is_(None), col(Certificate.not_after) >= now),
            or_(is_new, is_unseen),
        )
        # The final certificate first: its addresses are the ones that people use.
        .order_by(col(Certificate.precertificate), col(Certificate.sha256))
    )


def _watch(
    session: Session,
    certificate: Certificate,
    ticket: int,
    status: RevocationStatus | None,
    *,
    now: datetime,
) -> None:
    if status is None:
        status = RevocationStatus(
            issuer_sha256=certificate.issuer_sha256 or "",
            serial_number=certificate.serial_number or "",
            certificate=certificate.sha256,
        )
    status.watched = True
    session.add(status)
    session.flush()
    enqueue(session, KIND, status.id or 0, now=now, ticket=ticket)
    _hasten(session, [status.id or 0], now)


def _hasten(session: Session, statuses: Sequence[int], now: datetime) -> None:
    keys = [f"{KIND}:{one}" for one in statuses]
    session.exec(
        update(Job)
        .where(col(Job.key).in_(keys), col(Job.state) == "waiting", col(Job.due_at) > now)
        .values(due_at=now)
        .execution_options(synchronize_session="fetch")
    )


def check_soon(session: Session, items: Sequence[Item], *, now: datetime) -> None:
    """Have the certificates of some items looked at as soon as possible."""
    rows = [item.id for item in items]
    for start in range(0, len(rows), 500):
        query = (
            select(RevocationStatus.id)
            .join(
                Certificate,
                and_(
                    col(RevocationStatus.issuer_sha256) == col(Certificate.issuer_sha256),
                    col(RevocationStatus.serial_number) == col(Certificate.serial_number),
                ),
            )
            .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
            .where(col(ItemCertificate.item).in_(rows[start : start + 500]))
            .distinct()
        )
        _hasten(session, [one for one in session.exec(query).all() if one is not None], now)


def claim_revoked(session: Session, items: Sequence[Item], actor: str, *, now: datetime) -> None:
    """Write down that somebody says that items are revoked; it is checked at once."""
    for item in items:
        item.claimed_revoked_at, item.claimed_revoked_by = now, actor
        session.add(item)
    session.flush()
    queue_watches(session, now=now)
    check_soon(session, items, now=now)


def withdraw_claims(session: Session, number: int, made_at: datetime) -> None:
    """Forget the claims that closing a ticket had made, when it is taken up again."""
    session.exec(
        update(Item)
        .where(col(Item.ticket) == number, col(Item.claimed_revoked_at) == made_at)
        .values(claimed_revoked_at=None, claimed_revoked_by=None)
        .execution_options(synchronize_session="fetch")
    )


def owed_items(session: Session, number: int) -> list[Item]:
    """Return the items of a ticket that may be ours and whose revocation is owed."""
    query = (
        select(Item)
        .join(Obligation, col(Obligation.item) == col(Item.id))
        .where(
            Item.ticket == number,
            Item.ours != "no",
            col(Item.merged_into).is_(None),
            Obligation.kind == REVOCATION,
            col(Obligation.met_at).is_(None),
            col(Obligation.waived_at).is_(None),
        )
        .order_by(col(Item.number))
    )
    return list({item.id: item for item in session.exec(query).all()}.values())


# ---- the job -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    """What is asked about, read before anybody is asked."""

    status: RevocationStatus
    certificate: Certificate
    is_over: bool


def watch_revocation(
    database: Database,
    client: RevocationClient,
    desk: Desk,
    clock: Clock,
    rhythm: Rhythm,
    job: Job,
) -> None:
    """Do one job: ask the sources of one certificate and write down what they say."""
    now = clock()
    with database.read() as session:
        target = _load(session, int(job.subject), now)
    if target.is_over:
        _end(database, job)
        return
    ca = revoker_of(desk.issuing_cas, target.certificate.der)
    question = None if ca is None else _question(ca, target)
    answers = [] if question is None else client.ask(question, now)
    sources = () if question is None else question.addresses.sources
    now = clock()
    with database.write() as session:
        status = session.get_one(RevocationStatus, int(job.subject))
        before = status.state
        update_status(status, answers, sources=sources, now=now)
        if ca is None:
            status.detail = NO_ISSUER
        session.add(status)
        keep_evidence(session, status, answers, now=now)
        items = items_of(session, status)
        carry_to_items(session, status, items, before=before, now=now)
        _again(session, job, now + _wait(session, answers, items, rhythm, now))


def _load(session: Session, status_id: int, now: datetime) -> _Target:
    status = session.get_one(RevocationStatus, status_id)
    certificate = session.get_one(Certificate, status.certificate)
    expired = certificate.not_after is not None and certificate.not_after < now
    return _Target(status, certificate, expired or not items_of(session, status))


def _question(ca: IssuingCa, target: _Target) -> Question:
    status = target.status
    return Question(
        ca,
        addresses_in(target.certificate.der),
        int(status.serial_number, 16),
        is_ca=is_ca_certificate(target.certificate.der),
        lowest_number=None if status.crl_number is None else int(status.crl_number),
    )


def revoker_of(cas: IssuingCas, der: bytes) -> IssuingCa | None:
    """Return the CA that answers for a certificate: who signed it, or the CA behind it.

    Precertificate signing CAs sign no CRLs of the certificates that came of it.
    """
    signer = cas.signer_of(der)
    if signer is None or not signer.signs_precertificates:
        return signer
    behind = (one for one in cas.cas if one.subject == signer.issuer)
    return next((one for one in behind if not one.signs_precertificates), None)


def items_of(session: Session, status: RevocationStatus) -> list[Item]:
    """Return the items about a certificate whose tickets still care for it.

    After a ticket was handled its certificates are watched on: what was revoked must stay so.
    """
    query = (
        select(Item)
        .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
        .join(Certificate, col(Certificate.sha256) == col(ItemCertificate.sha256))
        .join(Ticket, col(Ticket.id) == col(Item.ticket))
        .where(
            Certificate.issuer_sha256 == status.issuer_sha256,
            Certificate.serial_number == status.serial_number,
            col(Item.merged_into).is_(None),
            or_(col(Ticket.state) != "closed", col(Ticket.disposition) == "handled"),
        )
        .order_by(col(Item.id))
    )
    return list({item.id: item for item in session.exec(query).all()}.values())


def _end(database: Database, job: Job) -> None:
    with database.write() as session:
        status = session.get_one(RevocationStatus, int(job.subject))
        status.watched = False
        session.add(status)
        finish(session, job)


def _again(session: Session, job: Job, at: datetime) -> None:
    """Let a job wait for its next turn; nothing failed."""
    job.due_at, job.leased_until, job.attempts, job.last_error = at, None, 0, None
    session.merge(job)


def _wait(
    session: Session,
    answers: Sequence[SourceAnswer],
    items: Sequence[Item],
    rhythm: Rhythm,
    now: datetime,
) -> timedelta:
    """Return how long until the next look."""
    soonest = min(rhythm.every, rhythm.urgent_every)
    if any(one.answer.state == UNAVAILABLE for one in answers):
        return soonest
    if any(one.claimed_revoked_at is not None and one.revocation != "revoked" for one in items):
        return soonest
    query = select(Obligation.id).where(
        col(Obligation.item).in_([one.id for one in items]),
        Obligation.kind == REVOCATION,
        col(Obligation.met_at).is_(None),
        col(Obligation.waived_at).is_(None),
        Obligation.due_at <= now + SOON,
    )
    return rhythm.every if session.exec(query).first() is None else soonest
