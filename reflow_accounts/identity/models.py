"""Users and the sessions in which they are signed in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.extensions import Key, Model, UTCDateTime, now
from reflow_accounts.web.ids import public_id

LONGEST_NAME = 120
LONGEST_EMAIL = 254


class UserKind(StrEnum):
    PERSON = "person"
    SERVICE_ACCOUNT = "service_account"


class Appearance(StrEnum):
    DEVICE = "device"
    LIGHT = "light"
    DARK = "dark"


class SessionKind(StrEnum):
    BROWSER = "browser"
    COMMAND = "command"


class User(Model):
    """A person, or a service account (no e-mail address, no password, cannot sign in)."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("usr"))
    kind: Mapped[str] = mapped_column(String(20), default=UserKind.PERSON)
    full_name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    email: Mapped[str | None] = mapped_column(String(LONGEST_EMAIL), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(60))
    is_staff: Mapped[bool] = mapped_column(default=False)
    appearance: Mapped[str] = mapped_column(String(10), default=Appearance.DEVICE)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @property
    def is_person(self) -> bool:
        return self.kind == UserKind.PERSON


class UserSession(Model):
    """One sign-in: the browser's cookie or the command's secret opens it until it ends or expires."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index(None, "user_id", "ended_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("ses"))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(10))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_active_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    address: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(255), default="")

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
