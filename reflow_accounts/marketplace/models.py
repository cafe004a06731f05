"""Events and agreements of AWS Marketplace, and unfinished registrations of buyers."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.database import Key, Model, UTCDateTime, now
from reflow_accounts.subscriptions.models import LONGEST_AWS_ID, Licence

LONGEST_EVENT_ID = 128
LONGEST_KIND = 80
LONGEST_STATUS = 30


class MarketplaceEvent(Model):
    """An event, stored once (SQS delivers at least once, in any order)."""

    __tablename__ = "marketplace_events"
    __table_args__ = (Index(None, "licence_key"), Index(None, "agreement_id"), Index(None, "received_at"))

    event_id: Mapped[str] = mapped_column(String(LONGEST_EVENT_ID), primary_key=True)
    # The part of the detail-type before ` - `.
    kind: Mapped[str] = mapped_column(String(LONGEST_KIND))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    licence_key: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    agreement_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class Agreement(Model):
    """An agreement as described by events and API responses."""

    __tablename__ = "marketplace_agreements"
    __table_args__ = (Index(None, "initial_id"),)

    agreement_id: Mapped[str] = mapped_column(String(LONGEST_AWS_ID), primary_key=True)
    # The first agreement of a chain of renewals, and the previous one. Renewals keep the team.
    initial_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    previous_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    status: Mapped[str] = mapped_column(String(LONGEST_STATUS), default="")
    starts_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Unresolved advisory by AWS, shown to staff only.
    advisory: Mapped[str] = mapped_column(String(500), default="")
    # Last check by marketplace-reconcile.
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Claim(Model):
    """An unfinished registration of a buyer; the browser has the secret for `digest` in a cookie."""

    __tablename__ = "marketplace_claims"
    __table_args__ = (Index(None, "licence_id"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    licence_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("licences.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    licence: Mapped[Licence] = relationship(lazy="joined", innerjoin=True)
