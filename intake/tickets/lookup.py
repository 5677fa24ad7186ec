"""The job `resolve_item`: from a name to certificates, our own archive first, then crt.sh.

What crt.sh answered once is never asked again. What it does not have is asked for again for a
week, since even its 404 proves nothing; what can't be asked waits for its turn for as long as it
takes. No transaction is open while crt.sh is asked.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from intake.certificates.crtsh import CrtshClient, Found, NotFound, Unavailable
from intake.certificates.identity import remember_certificate
from intake.clock import Clock
from intake.database import Database
from intake.jobs import finish, give_up, put_off
from intake.tables import Certificate, CrtshEntry, Item, ItemName, Job
from intake.tickets.compromise import join_proven_keys
from intake.tickets.desk import Desk
from intake.tickets.items import apply_resolution, mark_not_found, note_problem

ASKED_FOR = timedelta(days=7)  # after the item was named, while crt.sh says that it has it not
ASKABLE = ("crtsh_id", "sha256", "sha1", "serial_number")  # best first
COLUMNS = {
    "sha256": Certificate.sha256,
    "certificate": Certificate.sha256,
    "sha1": Certificate.sha1,
    "serial_number": Certificate.serial_number,
    "spki_sha256": Certificate.spki_sha256,
}


def resolve_item(
    database: Database, crtsh: CrtshClient, desk: Desk, clock: Clock, job: Job
) -> None:
    """Do one job: look an item up and write down what came of it."""
    item_id = int(job.subject)
    with database.read() as session:
        item = session.get_one(Item, item_id)
        names = session.exec(select(ItemName).where(ItemName.item == item_id)).all()
        known = [one.sha256 for one in known_certificates(session, names)]
        named_at = item.received_at
    if item.state == "resolved" or item.merged_into is not None or known:
        _apply(database, desk, clock, job, known)
        return
    askable = sorted(
        (one for one in names if one.kind in ASKABLE), key=lambda one: ASKABLE.index(one.kind)
    )
    if not askable:
        _not_found(database, clock, job, "no source can be asked for a key hash yet", last=True)
        return
    last = clock() - named_at > ASKED_FOR
    trouble: NotFound | Unavailable | None = None
    for name in askable:
        answer = crtsh.fetch(name.kind, name.value)
        if isinstance(answer, Found):
            _keep(database, desk, clock, job, name, answer)
            return
        trouble = answer if not isinstance(trouble, Unavailable) else trouble
    if isinstance(trouble, Unavailable):
        _unavailable(database, clock, job, trouble.why)
    elif trouble is not None:
        _not_found(database, clock, job, trouble.why, last=last)


def known_certificates(session: Session, names: Sequence[ItemName]) -> list[Certificate]:
    """Return the certificates that these names stand for, as far as we have them already."""
    found: dict[str, Certificate] = {}
    for name in names:
        cached = select(CrtshEntry.sha256).where(
            CrtshEntry.kind == name.kind, CrtshEntry.value == name.value
        )
        matches: list[ColumnElement[bool]] = [col(Certificate.sha256).in_(cached)]
        if name.kind in COLUMNS:
            matches.append(col(COLUMNS[name.kind]) == name.value)
        for certificate in session.exec(select(Certificate).where(or_(*matches))).all():
            found[certificate.sha256] = certificate
    return list(found.values())


def _apply(database: Database, desk: Desk, clock: Clock, job: Job, sha256s: Sequence[str]) -> None:
    with database.write() as session:
        certificates = [session.get_one(Certificate, one) for one in sha256s]
        if certificates:
            apply_resolution(session, int(job.subject), certificates, desk=desk, now=clock())
            join_proven_keys(session, certificates, desk=desk, now=clock())
        finish(session, job)


def _keep(
    database: Database, desk: Desk, clock: Clock, job: Job, name: ItemName, answer: Found
) -> None:
    """Store what crt.sh sent, remember its answer for ever, and apply it."""
    now = clock()
    with database.write() as session:
        certificates = [
            remember_certificate(
                session, der, origin="crtsh", now=now, issuing_cas=desk.issuing_cas
            )
            for der in answer.certificates
        ]
        for one in certificates:
            session.add(
                CrtshEntry(kind=name.kind, value=name.value, sha256=one.sha256, answered_at=now)
            )
        apply_resolution(session, int(job.subject), certificates, desk=desk, now=now)
        join_proven_keys(session, certificates, desk=desk, now=now)
        finish(session, job)


def _not_found(database: Database, clock: Clock, job: Job, why: str, *, last: bool) -> None:
    now = clock()
    with database.write() as session:
        mark_not_found(session, int(job.subject), why, now=now)
        if last:
            give_up(session, job, error=why)
        else:
            put_off(session, job, now, error=why)


def _unavailable(database: Database, clock: Clock, job: Job, why: str) -> None:
    now = clock()
    with database.write() as session:
        note_problem(session, int(job.subject), why, now=now)
        put_off(session, job, now, error=why)
