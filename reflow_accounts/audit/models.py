"""The audit log: an append-only table."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.audit.actions import Action
from reflow_accounts.database import Key, Model, UTCDateTime, now

EVENT_ID_PREFIX = "evt_"


class AuditEvent(Model):
    """One event. `actor_name` is a copy, so that it survives renaming and deletion of the user."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_account", "account_id", "at", "id"),
        Index("ix_audit_events_team", "team_id", "at", "id"),
        # For members without Admin rights: events for every member, and their own.
        *(
            Index(
                f"ix_audit_events_team_{name}",
                "team_id",
                column,
                "at",
                "id",
                sqlite_where=text("team_id IS NOT NULL"),
                postgresql_where=text("team_id IS NOT NULL"),
            )
            for name, column in (("action", "action"), ("actor", "actor_id"))
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    action: Mapped[str] = mapped_column(String(40))
    actor_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    actor_name: Mapped[str] = mapped_column(String(120))
    # The user or team (or both) whose Activity shows the event.
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"))
    subject: Mapped[str] = mapped_column(String(255), default="")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    address: Mapped[str] = mapped_column(String(45), default="")

    @property
    def public_id(self) -> str:
        return f"{EVENT_ID_PREFIX}{self.id}"

    @property
    def title(self) -> str:
        return Action(self.action).title
