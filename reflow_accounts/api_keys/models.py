"""API keys and their uses."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.extensions import Key, Model, UTCDateTime, now
from reflow_accounts.identity.models import User
from reflow_accounts.web.ids import public_id

LONGEST_NAME = 64


class ApiKey(Model):
    """A credential of one user. The secret is not here: only its digest and last four characters."""

    __tablename__ = "api_keys"
    __table_args__ = (
        # Two live keys of one user may not share a name; a revoked one gives its name free.
        Index(
            "uq_api_keys_live_name",
            "user_id",
            "folded_name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        # A form makes one key however often it is sent.
        Index("uq_api_keys_nonce", "user_id", "nonce", unique=True),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("key"))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    # Compatibility folding can make a character up to 18 others (U+FDFA).
    folded_name: Mapped[str] = mapped_column(String(LONGEST_NAME * 18))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hint: Mapped[str] = mapped_column(String(4))
    nonce: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def recognisable(self) -> str:
        """The part that people may see: the kind and the last four characters."""
        return f"{KEY_PREFIX}…{self.hint}"


class Use(Model):
    """One request that presented a valid key. Rows are added, never changed."""

    __tablename__ = "uses"
    __table_args__ = (Index(None, "key_id", "at", "id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    key_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("api_keys.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(255))
    status: Mapped[int] = mapped_column(SmallInteger)
    outcome: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))

    key: Mapped[ApiKey] = relationship(lazy="raise")
