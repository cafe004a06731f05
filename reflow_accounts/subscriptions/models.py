"""Licences from AWS, overrides by support, and the state and history of subscriptions."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Key, Model, UTCDateTime, now, partial_index, public_id
from reflow_accounts.web.text import LONGEST_REASON

LONGEST_TICKET = 80
LONGEST_AWS_ID = 64


class State(StrEnum):
    """Effective state of a subscription."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class LicenceState(StrEnum):
    """State of a licence according to AWS, in chronological order; the highest reported state counts."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"


class ChangeKind(StrEnum):
    """Why a subscription changed."""

    SWITCHED = "switched"  # before overrides had an end
    FORCED_ON = "forced_on"
    FORCED_OFF = "forced_off"
    LIFTED = "lifted"
    EXPIRED = "expired"
    AWS = "aws"


class Licence(Model):
    """A purchase as AWS reports it. Support never changes it; without a team it is unclaimed."""

    __tablename__ = "licences"
    __table_args__ = (Index(None, "team_id"), Index(None, "agreement_id"), Index(None, "aws_account"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("lic"))
    # The `l-…` part of the ARN, because AWS writes ARNs with and without the leading `arn:`.
    key: Mapped[str] = mapped_column(String(LONGEST_AWS_ID), unique=True)
    product_code: Mapped[str] = mapped_column(String(LONGEST_AWS_ID))
    agreement_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    aws_account: Mapped[str] = mapped_column(String(12))
    is_trial: Mapped[bool] = mapped_column(default=False)
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    claimed_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(String(10), default=LicenceState.PENDING)
    since_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # End of an ending licence. It takes effect even if the last event is lost.
    ends_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class Override(Model):
    """A decision of support that overrides AWS. A team has at most one that has not ended."""

    __tablename__ = "subscription_overrides"
    __table_args__ = (
        partial_index("uq_subscription_overrides_live", "team_id", unique=True, where="ended_at IS NULL"),
        CheckConstraint("NOT is_active OR expires_at IS NOT NULL", name="force_on_ends"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))
    is_active: Mapped[bool]
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    by_name: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    ticket: Mapped[str] = mapped_column(String(LONGEST_TICKET))


class Subscription(Model):
    """The last recorded state of a team. The effective state is always computed (`status.py`)."""

    __tablename__ = "subscriptions"

    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Number of changes, for optimistic locking.
    version: Mapped[int]


class SubscriptionChange(Model):
    """A change of a subscription. Append-only."""

    __tablename__ = "subscription_changes"
    __table_args__ = (Index(None, "team_id", "id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    by_name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(10), server_default=ChangeKind.SWITCHED)
    from_state: Mapped[str] = mapped_column(String(10))
    to_state: Mapped[str] = mapped_column(String(10))
    until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    ticket: Mapped[str | None] = mapped_column(String(LONGEST_TICKET))
