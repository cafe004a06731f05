"""The outbox: what is to be sent, until it was."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Key, Model, UTCDateTime, now

LONGEST_ADDRESS = 254


class OutboxMessage(Model):
    """One message to one address, written in the transaction of the act that it tells of.

    `kind` names the template or, for what must be looked up off the request's path, the resolver that
    turns it into one (`service.py`). `data` holds plain values for it and never the token of a link; it
    is emptied when the message is done.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (Index("ix_outbox_messages_due", "done_at", "due_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    to: Mapped[str] = mapped_column(String(LONGEST_ADDRESS))
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # Not to be tried before this; a sender that takes the message moves it on, so that no other does.
    due_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    tries: Mapped[int] = mapped_column(default=0)
    # Sent, dropped by its resolver, or given up (`failure` says why).
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failure: Mapped[str] = mapped_column(String(255), default="")
