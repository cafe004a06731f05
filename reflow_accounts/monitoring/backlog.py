"""What waits in the database: uses to roll up, mail to send, events of AWS Marketplace."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select

from reflow_accounts.api_keys.models import Use
from reflow_accounts.api_keys.usage.queries import rolled_up_to
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.marketplace.models import MarketplaceEvent
from reflow_accounts.subscriptions.models import Licence, LicenceState

Figure = tuple[str, str, float]


def backlog() -> Iterator[Figure]:
    """Yield name, description and value of each figure. Raises SQLAlchemyError."""
    with db.engine.connect() as connection:
        cursor = connection.scalar(select(rolled_up_to())) or 0
        # By the primary key: a count of rows would read them all.
        newest = connection.scalar(select(func.max(Use.id))) or 0
        oldest = connection.scalar(select(Use.at).where(Use.id > cursor).order_by(Use.id).limit(1))
        yield "reflow_roll_up_lag_uses", "Newest uses that are not rolled up.", max(newest - cursor, 0)
        yield "reflow_roll_up_lag_seconds", "Age of the oldest use that is not rolled up.", _age(oldest)
        waiting = OutboxMessage.done_at.is_(None)
        counted = select(func.count(), func.min(OutboxMessage.created_at)).where(waiting)
        number, since = connection.execute(counted).one()
        yield "reflow_outbox_messages", "Mails that wait in the outbox.", number
        yield "reflow_outbox_oldest_seconds", "Age of the oldest mail in the outbox.", _age(since)
        arrival = select(MarketplaceEvent.at, MarketplaceEvent.received_at)
        last = connection.execute(
            arrival.order_by(MarketplaceEvent.received_at.desc()).limit(1)
        ).one_or_none()
        late = (last.received_at - last.at).total_seconds() if last else 0.0
        about = "Time from the newest event of AWS Marketplace to its arrival here."
        yield "reflow_marketplace_lag_seconds", about, max(late, 0.0)
        unclaimed = select(func.min(Licence.created_at)).where(
            Licence.team_id.is_(None), Licence.state != LicenceState.ENDED
        )
        about = "Age of the oldest purchase that no team has."
        yield "reflow_marketplace_unclaimed_seconds", about, _age(connection.scalar(unclaimed))


def _age(since: datetime | None) -> float:
    return max((now() - since).total_seconds(), 0.0) if since else 0.0
