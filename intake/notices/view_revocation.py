"""What was observed of the revocation of a ticket's certificates: counted for a card, or one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from intake.notices.view_items import chunks
from intake.tables import Certificate, Item, ItemCertificate, RevocationStatus, Ticket

LABEL = "revocation_alarm"  # on a ticket while anything is wrong with a revocation in it
_SAME = and_(
    col(RevocationStatus.issuer_sha256) == col(Certificate.issuer_sha256),
    col(RevocationStatus.serial_number) == col(Certificate.serial_number),
)


@dataclass(frozen=True)
class RevocationView:
    """The certificates of a ticket that are watched, by what was observed."""

    states: dict[str, int] = field(default_factory=dict)  # state → how many certificates
    asserted_at: datetime | None = None  # the earliest revocationDate that the CA states
    observed_at: datetime | None = None  # when we first saw the last of them revoked
    checked_at: datetime | None = None
    alarms: tuple[tuple[str, int], ...] = ()  # code and how many certificates, the commonest first
    by_item: dict[int, RevocationStatus] = field(default_factory=dict)  # row of an item; whole only


def load_revocations(
    session: Session, tickets: Iterable[Ticket], *, whole: bool
) -> dict[int, RevocationView]:
    """Return what is known of the revocations of each ticket that has any watched certificate."""
    labels = {one.id or 0: one.labels for one in tickets}
    found: dict[int, RevocationView] = {}
    for chunk in chunks(list(labels)):
        states: dict[int, dict[str, int]] = defaultdict(dict)
        instants: dict[int, list[tuple[datetime | None, datetime | None, datetime | None]]] = (
            defaultdict(list)
        )
        query = (
            select_columns(
                col(Item.ticket),
                col(RevocationStatus.state),
                func.count(func.distinct(col(Item.id))),
                func.min(col(RevocationStatus.asserted_revoked_at)),
                func.max(col(RevocationStatus.first_observed_revoked_at)),
                func.max(col(RevocationStatus.checked_at)),
            )
            .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
            .join(Certificate, col(Certificate.sha256) == col(ItemCertificate.sha256))
            .join(RevocationStatus, _SAME)
            .where(col(Item.ticket).in_(chunk), col(Item.merged_into).is_(None))
            .group_by(col(Item.ticket), col(RevocationStatus.state))
        )
        for ticket, state, count, asserted, observed, checked in session.execute(query):
            states[ticket][state] = count
            instants[ticket].append((asserted, observed, checked))
        for ticket, counts in states.items():
            found[ticket] = RevocationView(
                counts,
                min(_given(one for one, _, _ in instants[ticket]), default=None),
                max(_given(one for _, one, _ in instants[ticket]), default=None),
                max(_given(one for _, _, one in instants[ticket]), default=None),
                _alarms(session, ticket) if LABEL in labels[ticket] else (),
                _by_item(session, ticket) if whole else {},
            )
    return found


def _given(instants: Iterable[datetime | None]) -> list[datetime]:
    return [one for one in instants if one is not None]


def _alarms(session: Session, ticket: int) -> tuple[tuple[str, int], ...]:
    query = select(Item.alarms).where(Item.ticket == ticket, col(Item.merged_into).is_(None))
    counted = Counter(code for codes in session.exec(query).all() for code in codes)
    return tuple(counted.most_common())


def _by_item(session: Session, ticket: int) -> dict[int, RevocationStatus]:
    query = (
        select(Item.id, RevocationStatus)
        .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
        .join(Certificate, col(Certificate.sha256) == col(ItemCertificate.sha256))
        .join(RevocationStatus, _SAME)
        .where(Item.ticket == ticket, col(Item.merged_into).is_(None))
    )
    return {item: status for item, status in session.exec(query).all() if item is not None}
