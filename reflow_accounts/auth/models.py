"""Sessions, second factors, mailed links and device logins."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.database import Key, Model, UTCDateTime, now, public_id
from reflow_accounts.users.models import LONGEST_EMAIL, User
from reflow_accounts.web.request_info import Client

LONGEST_HOST = 64


class LinkPurpose(StrEnum):
    """The only purpose of a mailed link."""

    SIGN_UP = "sign_up"
    RESET_PASSWORD = "reset_password"  # noqa: S105  # pragma: allowlist secret
    CHANGE_EMAIL = "change_email"


class SessionKind(StrEnum):
    BROWSER = "browser"
    COMMAND = "command"


class Factor(StrEnum):
    """A means of authentication (OWASP ASVS 5.0, 16.3.1)."""

    PASSWORD = "password"  # noqa: S105  # pragma: allowlist secret
    CODE = "code"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    MAILED_LINK = "mailed_link"
    # Approved in a signed-in browser.
    BROWSER = "browser"


class UserSession(Model):
    """A session of a browser (by cookie) or of the command (by secret)."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index(None, "user_id", "ended_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("ses"))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(10))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_active_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # Last authentication: at sign-in or step-up. None counts as long ago.
    proven_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=now)
    # Last request for a page of the support console.
    support_active_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    address: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(255), default="")
    # Host name of the terminal, for device logins.
    host: Mapped[str | None] = mapped_column(String(LONGEST_HOST))

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    @property
    def device(self) -> str:
        """Text with program, system and, if known, host name of the session."""
        return _device_name(Client(self.address, self.user_agent), self.host)


class RecoveryCode(Model):
    """A single-use code in place of the authenticator app. Only its digest is stored."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Passkey(Model):
    """A passkey of a person (W3C Web Authentication): the public half."""

    __tablename__ = "passkeys"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("psk"))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(64))
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class PasskeyChallenge(Model):
    """A short-lived challenge that a browser signs with a passkey; use deletes it."""

    __tablename__ = "passkey_challenges"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(64), unique=True)
    # None at sign-in, before the user is known.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class MailLink(Model):
    """A mailed single-use link, valid for an hour. The mail contains the signed `public_id`."""

    __tablename__ = "mail_links"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("lnk"))
    purpose: Mapped[str] = mapped_column(String(20))
    # None for a sign-up, which has no account yet.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    email: Mapped[str] = mapped_column(String(LONGEST_EMAIL))
    # Data of the action; cleared on use.
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class DeviceLogin(Model):
    """A login of a terminal that a signed-in browser approves or denies (RFC 8628). Both codes are digests."""

    __tablename__ = "device_logins"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("dev"))
    # Digests of the terminal's code and of the code that the person types.
    device_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    # The terminal.
    host: Mapped[str] = mapped_column(String(LONGEST_HOST))
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    # Minimum seconds between two polls, and the last poll.
    interval: Mapped[int] = mapped_column()
    polled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The first user who typed the code; only this user can decide.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    is_approved: Mapped[bool | None] = mapped_column()
    # When the session was issued.
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User | None] = relationship(lazy="joined")

    @property
    def device(self) -> str:
        """Text with program and system of the terminal."""
        return Client(self.address, self.user_agent).device

    @property
    def name(self) -> str:
        """Name of the future session: program, system and host name."""
        return _device_name(Client(self.address, self.user_agent), self.host)

    @property
    def is_over(self) -> bool:
        """Whether it expired or was voided before it became a session."""
        return self.used_at is None and now() >= self.expires_at


def _device_name(client: Client, host: str | None) -> str:
    return f"{client.device} ({host})" if host else client.device
