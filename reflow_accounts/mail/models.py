"""The outbox of mail."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Key, Model, UTCDateTime, now

LONGEST_ADDRESS = 254


class OutboxMessage(Model):
    """One message to one address, added in the transaction of the change that it reports.

    `kind` names the template, or the resolver that replaces the message later (`service.py`). `data` holds
    plain values, never the token of a link; it is emptied when the message is done.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (Index("ix_outbox_messages_due", "done_at", "due_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    to: Mapped[str] = mapped_column(String(LONGEST_ADDRESS))
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # Earliest next try. A sender claims the message by moving it forward.
    due_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    tries: Mapped[int] = mapped_column(default=0)
    # When the message was sent, dropped by its resolver, or given up (see `failure`).
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failure: Mapped[str] = mapped_column(String(255), default="")
