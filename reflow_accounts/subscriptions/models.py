"""The subscription of a team and every change of it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.extensions import Key, Model, UTCDateTime, now

LONGEST_REASON = 500


class State(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


class Subscription(Model):
    """The state that holds now. A team without a row never had a subscription: inactive."""

    __tablename__ = "subscriptions"

    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Counts the changes, so that of two staff who saw the same state only one can change it.
    version: Mapped[int]


class SubscriptionChange(Model):
    """Who changed it, when, from what, to what and why. Rows are added and never changed."""

    __tablename__ = "subscription_changes"
    __table_args__ = (Index(None, "team_id", "id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    by_name: Mapped[str] = mapped_column(String(120))
    from_state: Mapped[str] = mapped_column(String(10))
    to_state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
