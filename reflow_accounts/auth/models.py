"""Sessions, second factors, mailed links, and logins that a terminal asks for."""

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
    """What a mailed link is good for, and nothing else."""

    SIGN_UP = "sign_up"
    RESET_PASSWORD = "reset_password"  # noqa: S105  # pragma: allowlist secret
    CHANGE_EMAIL = "change_email"


class SessionKind(StrEnum):
    BROWSER = "browser"
    COMMAND = "command"


class Factor(StrEnum):
    """What somebody proved with to be the person (OWASP ASVS 5.0, 16.3.1)."""

    PASSWORD = "password"  # noqa: S105  # pragma: allowlist secret
    CODE = "code"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    MAILED_LINK = "mailed_link"
    # Approved in a browser that was signed in.
    BROWSER = "browser"


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
    # When the person last proved to be the person: at sign-in, and at every step-up. None is long ago.
    proven_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=now)
    # When the session last asked for a page of the support console.
    support_active_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    address: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(255), default="")
    # What the machine of the command calls itself, where it was let in through a browser.
    host: Mapped[str | None] = mapped_column(String(LONGEST_HOST))

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    @property
    def device(self) -> str:
        """The program and system that signed in, in words, and the machine's own name where it said one."""
        return _at(Client(self.address, self.user_agent), self.host)


class RecoveryCode(Model):
    """A code that stands in for the authenticator app once. Only its digest is kept."""

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
    """A challenge for a passkey to sign: short-lived, and deleted when it is used."""

    __tablename__ = "passkey_challenges"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(64), unique=True)
    # Whose it is; None at sign-in, where nobody is known yet.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class MailLink(Model):
    """A link that was mailed: for one purpose, once, for an hour. The mail holds the signed `public_id`."""

    __tablename__ = "mail_links"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("lnk"))
    purpose: Mapped[str] = mapped_column(String(20))
    # Whose account it is about; None for an account that begins with it.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    email: Mapped[str] = mapped_column(String(LONGEST_EMAIL))
    # What is to be done when it is opened; emptied once it was.
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class DeviceLogin(Model):
    """A login that a terminal asks for and a signed-in browser decides on (RFC 8628). Both codes are digests."""

    __tablename__ = "device_logins"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("dev"))
    # Of what the terminal polls with, and of what the person types.
    device_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    # What asks.
    host: Mapped[str] = mapped_column(String(LONGEST_HOST))
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    # How many seconds the terminal must wait between two polls, and when it last asked.
    interval: Mapped[int] = mapped_column()
    polled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Who typed the code first: nobody else can decide.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    is_approved: Mapped[bool | None] = mapped_column()
    # When the terminal was given its session.
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User | None] = relationship(lazy="joined")

    @property
    def device(self) -> str:
        """The program and system that asks, in words."""
        return Client(self.address, self.user_agent).device

    @property
    def name(self) -> str:
        """What its session will be called: the program, the system, and the machine's own name."""
        return _at(Client(self.address, self.user_agent), self.host)

    @property
    def is_over(self) -> bool:
        """Whether its time ran out, or it was voided, before a terminal was let in."""
        return self.used_at is None and now() >= self.expires_at


def _at(client: Client, host: str | None) -> str:
    return f"{client.device} ({host})" if host else client.device
