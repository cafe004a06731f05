"""What AWS reports of each licence, what support decided above it, and every change of a subscription."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Key, Model, UTCDateTime, now, public_id

LONGEST_REASON = 500
LONGEST_TICKET = 80
LONGEST_AWS_ID = 64


class State(StrEnum):
    """What counts for a team, whatever the reason."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class LicenceState(StrEnum):
    """What AWS says of a licence, in the order in which it happens: the highest that was reported holds."""

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
    """One purchase, as AWS reports it. Support never changes it; without a team nobody has claimed it."""

    __tablename__ = "licences"
    __table_args__ = (Index(None, "team_id"), Index(None, "agreement_id"), Index(None, "aws_account"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("lic"))
    # The `l-…` part of the ARN: AWS prints ARNs with and without the leading `arn:`.
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
    # While it is ending: when it counts as ended, also when the last event was lost.
    ends_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class Override(Model):
    """What support decided for a team, above all that AWS says. At most one of a team has not ended."""

    __tablename__ = "subscription_overrides"
    __table_args__ = (
        Index(
            "uq_subscription_overrides_live",
            "team_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
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
    """The state of a team that was last told, in history and by mail: what counts is computed, not read here."""

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
    kind: Mapped[str] = mapped_column(String(10), server_default=ChangeKind.SWITCHED)
    from_state: Mapped[str] = mapped_column(String(10))
    to_state: Mapped[str] = mapped_column(String(10))
    until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    ticket: Mapped[str | None] = mapped_column(String(LONGEST_TICKET))
