"""The certificates of a ticket: counted for a card, or listed one by one.

Items that proved to be the same certificate are shown once, under the item they merged into.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from intake.tables import Item, ItemCertificate, ItemName, Job, LintFinding, LintRun

SEVERITIES = ("fatal", "error", "warning", "notice", "info")  # the worst first
WORST_SHOWN = 4


@dataclass(frozen=True)
class CertificateCounts:
    """How many certificates a ticket is about, by what is known of them."""

    total: int = 0
    ours: int = 0
    not_ours: int = 0
    unresolved: int = 0
    not_found: int = 0
    lint_done: int = 0
    lint_failed: int = 0
    revoked: int = 0
    problem: str | None = None  # why one of them is not resolved yet

    @property
    def resolved(self) -> int:
        """Return how many are known."""
        return self.total - self.unresolved - self.not_found

    @property
    def owner_unknown(self) -> int:
        """Return of how many we can't say whether they are ours."""
        return self.total - self.ours - self.not_ours


@dataclass(frozen=True)
class FindingCount:
    """One lint rule and on how many certificates of the ticket it found something."""

    severity: str
    code: str
    message: str
    certificates: int
    in_force: bool  # False: the rule came into force after issuance


@dataclass(frozen=True)
class ItemView:
    """One certificate of a ticket with its names and findings."""

    item: Item
    sha256s: tuple[str, ...] = ()
    crtsh_ids: tuple[int, ...] = ()
    named_as: tuple[str, ...] = ()
    findings: dict[str, int] = field(default_factory=dict)  # severity → how many


@dataclass(frozen=True)
class LintSummary:
    """What linting means for a ticket as a whole."""

    suggested: tuple[tuple[str, int], ...] = ()  # classification, for how many certificates
    absent: tuple[str, ...] = ()  # linters that could not look, since they were not there


def chunks(numbers: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    """Yield the numbers in pieces that fit the parameters of one statement."""
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def count_certificates(session: Session, numbers: list[int]) -> dict[int, CertificateCounts]:
    """Count the certificates of each ticket."""

    def how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    found: dict[int, CertificateCounts] = {}
    for chunk in chunks(numbers):
        query = (
            select_columns(
                col(Item.ticket),
                func.count(),
                how_many(col(Item.ours) == "yes"),
                how_many(col(Item.ours) == "no"),
                how_many(col(Item.state) == "unresolved"),
                how_many(col(Item.state) == "not_found"),
                how_many(col(Item.lint) == "done"),
                how_many(col(Item.lint) == "failed"),
                how_many(col(Item.revocation) == "revoked"),
                func.min(case((col(Item.state) == "unresolved", col(Item.problem)))),
            )
            .where(col(Item.ticket).in_(chunk), col(Item.merged_into).is_(None))
            .group_by(col(Item.ticket))
        )
        for ticket, *counts in session.execute(query):
            found[ticket] = CertificateCounts(*counts)
    return found


def summarise_lint(session: Session, numbers: list[int]) -> dict[int, LintSummary]:
    """Return what linting means for each ticket."""
    suggested, absent = _suggested(session, numbers), _absent_linters(session, numbers)
    return {
        number: LintSummary(suggested.get(number, ()), absent.get(number, ())) for number in numbers
    }


def _suggested(session: Session, numbers: list[int]) -> dict[int, tuple[tuple[str, int], ...]]:
    """Return what findings suggest for certificates that nobody classified yet, and for how many."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for chunk in chunks(numbers):
        query = (
            select_columns(col(Item.ticket), col(Item.suggested), func.count())
            .where(
                col(Item.ticket).in_(chunk),
                col(Item.merged_into).is_(None),
                col(Item.suggested).is_not(None),
                col(Item.reason).is_(None),
                col(Item.ours) != "no",
            )
            .group_by(col(Item.ticket), col(Item.suggested))
            .order_by(func.count().desc(), col(Item.suggested))
        )
        for ticket, name, certificates in session.execute(query):
            found[ticket].append((name or "", certificates))
    return {ticket: tuple(many) for ticket, many in found.items()}


def _absent_linters(session: Session, numbers: list[int]) -> dict[int, tuple[str, ...]]:
    """Return the linters that were not there when certificates of a ticket were to be linted."""
    later = aliased(LintRun)
    # Asked for each run: the planner of SQLite would find the newest of all runs anew for each row.
    is_newest = ~(
        select_columns(col(later.id))
        .where(
            col(later.certificate) == col(LintRun.certificate),
            col(later.linter) == col(LintRun.linter),
            col(later.id) > col(LintRun.id),
        )
        .exists()
    )
    found: dict[int, list[str]] = defaultdict(list)
    for chunk in chunks(numbers):
        query = (
            select_columns(col(Item.ticket), col(LintRun.linter))
            .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
            .join(LintRun, col(LintRun.certificate) == col(ItemCertificate.sha256))
            .where(col(Item.ticket).in_(chunk), col(LintRun.state) == "absent", is_newest)
            .distinct()
            .order_by(col(LintRun.linter))
        )
        for ticket, linter in session.execute(query):
            found[ticket].append(linter)
    return {ticket: tuple(many) for ticket, many in found.items()}


def _held(numbers: Sequence[int]) -> Select[str]:
    """Return the query for the certificates of tickets."""
    return (
        select_columns(col(ItemCertificate.sha256))
        .join(Item, col(Item.id) == col(ItemCertificate.item))
        .where(col(Item.ticket).in_(numbers))
    )


def _newest_runs(certificates: Any) -> Select[int | None]:  # noqa: ANN401 - a query for digests
    """Return the query for the newest run of each linter over each of these certificates."""
    return (
        select_columns(func.max(col(LintRun.id)))
        .where(col(LintRun.certificate).in_(certificates))
        .group_by(col(LintRun.certificate), col(LintRun.linter))
    )


def worst_findings(session: Session, numbers: list[int]) -> dict[int, tuple[FindingCount, ...]]:
    """Return the worst findings of each ticket, those of rules in force first."""
    root = func.coalesce(col(Item.merged_into), col(Item.id))
    not_in_force = func.min(case((col(LintFinding.in_force_at_issuance).is_(False), 1), else_=0))
    found: dict[int, list[FindingCount]] = defaultdict(list)
    for chunk in chunks(numbers):
        query = (
            select_columns(
                col(Item.ticket),
                col(LintFinding.severity),
                col(LintFinding.code),
                func.min(col(LintFinding.message)),
                func.count(func.distinct(root)),
                not_in_force,
            )
            .join(LintRun, col(LintRun.id) == col(LintFinding.run))
            .join(ItemCertificate, col(ItemCertificate.sha256) == col(LintRun.certificate))
            .join(Item, col(Item.id) == col(ItemCertificate.item))
            .where(col(Item.ticket).in_(chunk), col(LintRun.id).in_(_newest_runs(_held(chunk))))
            .group_by(col(Item.ticket), col(LintFinding.severity), col(LintFinding.code))
        )
        for ticket, severity, code, message, certificates, late in session.execute(query):
            one = FindingCount(severity, code, message, certificates, not late)
            found[ticket].append(one)
    return {ticket: tuple(sorted(many, key=_badness)) for ticket, many in found.items()}


def _badness(finding: FindingCount) -> tuple[bool, int, int, str]:
    rank = SEVERITIES.index(finding.severity) if finding.severity in SEVERITIES else len(SEVERITIES)
    return (not finding.in_force, rank, -finding.certificates, finding.code)


def lookups_ahead(session: Session) -> dict[int, int]:
    """Return for each ticket how many look-ups are made until its last one is.

    Tickets take turns, so a ticket with n of them waits for at most n of every other ticket.
    """
    query = (
        select(Job.ticket, func.count())
        .where(Job.kind == "resolve_item", Job.state == "waiting")
        .group_by(col(Job.ticket))
    )
    waiting = {ticket: count for ticket, count in session.exec(query) if ticket is not None}
    return {
        ticket: sum(min(count, other) for other in waiting.values())
        for ticket, count in waiting.items()
    }


def load_items(
    session: Session, numbers: list[int], *, most: int | None = None
) -> tuple[dict[int, tuple[ItemView, ...]], dict[int, dict[int, int]]]:
    """Return the items of each ticket, and the number under which each item's row is shown.

    Args:
        session: a session.
        numbers: of the tickets.
        most: only items with a number up to this; None for all.
    """
    items: dict[int, Item] = {}
    for chunk in chunks(numbers):
        found = session.exec(select(Item).where(*_of(chunk, most)))
        items |= {item.id: item for item in found if item.id is not None}
    names, digests = _names(session, numbers, most), _sha256s(session, numbers, most)
    findings = _findings(session, numbers, most)
    members: dict[int, list[int]] = defaultdict(list)
    item_numbers: dict[int, dict[int, int]] = defaultdict(dict)
    for row, item in items.items():
        shown = _shown_as(items, item)
        members[shown.id or 0].append(row)
        item_numbers[item.ticket][row] = shown.number
    views: dict[int, list[ItemView]] = defaultdict(list)
    for root in sorted(members, key=lambda row: items[row].number):
        named = [name for row in members[root] for name in names.get(row, ())]
        sha256s = {one for row in members[root] for one in digests.get(row, ())}
        view = _view_of(items[root], named, sha256s, findings)
        views[view.item.ticket].append(view)
    return {ticket: tuple(many) for ticket, many in views.items()}, item_numbers


def _of(numbers: Sequence[int], most: int | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [col(Item.ticket).in_(numbers)]
    return conditions if most is None else [*conditions, col(Item.number) <= most]


def _view_of(
    item: Item,
    named: list[tuple[str, str, str]],
    sha256s: set[str],
    findings: dict[str, dict[str, int]],
) -> ItemView:
    ids = {int(value) for kind, value, _ in named if kind == "crtsh_id"}
    return ItemView(
        item,
        sha256s=tuple(sorted(sha256s)),
        crtsh_ids=tuple(sorted(ids)),
        named_as=tuple(sorted({written for _, _, written in named if written})),
        findings=_most_of_each(findings.get(digest, {}) for digest in sha256s),
    )


def _shown_as(items: dict[int, Item], item: Item) -> Item:
    """Follow the merges to the item that is shown; a ring of them (never made) ends anywhere."""
    seen: set[int] = set()
    while item.merged_into in items and item.merged_into not in seen:
        seen.add(item.merged_into)
        item = items[item.merged_into]
    return item


def _most_of_each(many: Iterable[dict[str, int]]) -> dict[str, int]:
    """Join the findings of a certificate and its precertificate, which are mostly the same."""
    most: dict[str, int] = {}
    for counts in many:
        for severity, count in counts.items():
            most[severity] = max(count, most.get(severity, 0))
    return {severity: most[severity] for severity in SEVERITIES if severity in most}


def _names(
    session: Session, numbers: list[int], most: int | None
) -> dict[int, list[tuple[str, str, str]]]:
    found: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
    for chunk in chunks(numbers):
        query = (
            select(ItemName.item, ItemName.kind, ItemName.value, ItemName.named_as)
            .join(Item, col(Item.id) == col(ItemName.item))
            .where(*_of(chunk, most))
            .order_by(col(ItemName.id))
        )
        for item, kind, value, named_as in session.exec(query):
            found[item].append((kind, value, named_as))
    return found


def _sha256s(session: Session, numbers: list[int], most: int | None) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for chunk in chunks(numbers):
        query = (
            select(ItemCertificate.item, ItemCertificate.sha256)
            .join(Item, col(Item.id) == col(ItemCertificate.item))
            .where(*_of(chunk, most))
        )
        for item, sha256 in session.exec(query):
            found[item].append(sha256)
    return found


def _findings(session: Session, numbers: list[int], most: int | None) -> dict[str, dict[str, int]]:
    """Return by certificate and severity how many findings the newest runs have."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for chunk in chunks(numbers):
        ours = (
            select(ItemCertificate.sha256)
            .join(Item, col(Item.id) == col(ItemCertificate.item))
            .where(*_of(chunk, most))
        )
        query = (
            select(LintRun.certificate, LintFinding.severity, func.count())
            .join(LintFinding, col(LintFinding.run) == col(LintRun.id))
            .where(col(LintRun.id).in_(_newest_runs(ours)))
            .group_by(col(LintRun.certificate), col(LintFinding.severity))
        )
        for sha256, severity, count in session.exec(query):
            found[sha256][severity] = count
    return found
