"""The counters of the rate limits."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Model, UTCDateTime


class LimitCount(Model):
    """Number of attempts in one time window."""

    __tablename__ = "limit_counts"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
