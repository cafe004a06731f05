"""Users: people and service accounts."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, LargeBinary, String, true
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Key, Model, UTCDateTime, now, public_id

LONGEST_NAME = 120
LONGEST_EMAIL = 254


class UserKind(StrEnum):
    PERSON = "person"
    SERVICE_ACCOUNT = "service_account"


class Appearance(StrEnum):
    DEVICE = "device"
    LIGHT = "light"
    DARK = "dark"


class MailSwitch(StrEnum):
    """A kind of mail about API keys that a person can turn off."""

    NEW_CLIENTS = "new_clients"
    REFUSALS = "refusals"
    ENDS = "ends"
    UNUSED = "unused"

    @property
    def column(self) -> str:
        """The name of its column, and of its field in the profile."""
        return f"mails_{self}"


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
    # Name in the IANA time zone database, for displayed times.
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    mails_new_clients: Mapped[bool] = mapped_column(default=True, server_default=true())
    mails_refusals: Mapped[bool] = mapped_column(default=True, server_default=true())
    mails_ends: Mapped[bool] = mapped_column(default=True, server_default=true())
    mails_unused: Mapped[bool] = mapped_column(default=True, server_default=true())
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Time of deletion: the anonymized row stays for the record of uses and actions.
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The encrypted secret of the authenticator app; active when `totp_on_at` is set.
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary(255))
    totp_on_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The last time step whose code was accepted, so that no code is accepted twice.
    totp_step: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def is_person(self) -> bool:
        return self.kind == UserKind.PERSON

    def wants(self, switch: MailSwitch) -> bool:
        """Return whether this kind of mail is turned on."""
        return bool(getattr(self, switch.column))
