"""What must hold after every test that stores or decides: nothing is unaccounted for."""

from datetime import UTC, datetime

from sqlmodel import func, select

from intake.archive.balance import account_of_messages, account_of_uids
from intake.database import Database
from intake.events import broken_links
from intake.tables import Folder, Job, Message, SealedMessage


def assert_accounts_balance(
    database: Database, *, now: datetime | None = None, all_decided: bool = True
) -> None:
    """Fail unless every UID, every message and every event is accounted for.

    Args:
        database: the installation's.
        now: what is undecided for too long before this instant is a fault.
        all_decided: for a test that stops before messages are looked into.
    """
    with database.read() as session:
        mailboxes = session.exec(select(Folder.mailbox).distinct()).all()
        accounts = [one for name in mailboxes for one in account_of_uids(session, name)]
        seen_at = session.exec(select(func.max(Message.first_seen_at))).one()
        messages = account_of_messages(session, now or seen_at or datetime.max.replace(tzinfo=UTC))
        unsealed = session.exec(
            select(Message.id).where(Message.id.not_in(select(SealedMessage.message)))  # type: ignore[union-attr]
        ).all()
        given_up = Job.state == "failed", Job.kind == "process_message"
        failed = session.exec(select(Job.key).where(*given_up)).all()
        broken = list(broken_links(session))
    faults = [str(one) for one in accounts if not one.balanced]
    faults += [*messages.faults, *broken, *(f"job {key} failed" for key in failed)]
    faults += [f"message {row} has no bytes" for row in unsealed]
    if not messages.balanced or (all_decided and messages.undecided):
        faults.append(str(messages))
    assert not faults, "\n".join(faults)
