"""What AWS sent, kept as it came; agreements as it describes them; and claims under way."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.database import Key, Model, UTCDateTime, now
from reflow_accounts.subscriptions.models import LONGEST_AWS_ID, Licence

LONGEST_EVENT_ID = 128
LONGEST_KIND = 80


class MarketplaceEvent(Model):
    """One event, kept once however often it comes (SQS delivers at least once, in any order)."""

    __tablename__ = "marketplace_events"
    __table_args__ = (Index(None, "licence_key"), Index(None, "agreement_id"), Index(None, "received_at"))

    event_id: Mapped[str] = mapped_column(String(LONGEST_EVENT_ID), primary_key=True)
    # The part of its detail-type before ` - `.
    kind: Mapped[str] = mapped_column(String(LONGEST_KIND))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    licence_key: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    agreement_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class Agreement(Model):
    """An agreement as events and AWS's own answers describe it; held while an event of it is taken in."""

    __tablename__ = "marketplace_agreements"
    __table_args__ = (Index(None, "initial_id"),)

    agreement_id: Mapped[str] = mapped_column(String(LONGEST_AWS_ID), primary_key=True)
    # The first one of a chain of renewals, which carries the team over; the one before it, as events say.
    initial_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    previous_id: Mapped[str | None] = mapped_column(String(LONGEST_AWS_ID))
    status: Mapped[str] = mapped_column(String(30), default="")
    starts_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # What AWS warns of and did not yet take back; for staff alone.
    advisory: Mapped[str] = mapped_column(String(500), default="")
    # When AWS was last asked about it (marketplace-reconcile).
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Claim(Model):
    """A buyer's registration under way: the browser holds the secret whose digest this is, and nothing else."""

    __tablename__ = "marketplace_claims"
    __table_args__ = (Index(None, "licence_id"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    licence_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("licences.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    licence: Mapped[Licence] = relationship(lazy="joined", innerjoin=True)
