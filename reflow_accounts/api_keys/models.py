"""API keys and their uses."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, SmallInteger, String, false
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from reflow_accounts.api_keys.user_agents import LONGEST_PROGRAM, program_of
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import Key, Model, UTCDateTime, now, partial_index, public_id
from reflow_accounts.users.models import User

LONGEST_NAME = 64
USE_ID_PREFIX = "use_"
# Outcome of a use; a refused one has the error code of its response.
ACCEPTED = "accepted"
# How long before the expiry pages, mails and the `reflow` command warn.
WARNED_BEFORE = timedelta(days=14)
RESTORABLE_FOR = timedelta(hours=24)


class Revocation(StrEnum):
    """Reason of a revocation. Only keys that their owner revoked can be restored."""

    OWNER = "owner"
    SUPPORT = "support"
    DELETION = "deletion"


class ApiKey(Model):
    """A credential of one user. Stores only the digest and the last four characters of the secret."""

    __tablename__ = "api_keys"
    __table_args__ = (
        # Names are unique among a user's live keys; revoking or replacing a key frees its name.
        partial_index(
            "uq_api_keys_current_name",
            "user_id",
            "folded_name",
            unique=True,
            where="revoked_at IS NULL AND replaced_at IS NULL",
        ),
        # For the mails about keys that expire soon.
        partial_index(
            "ix_api_keys_ending", "expires_at", where="expires_at IS NOT NULL AND revoked_at IS NULL"
        ),
        # Submitting a form twice creates one key.
        Index("uq_api_keys_nonce", "user_id", "nonce", unique=True),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("key"))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    # Compatibility folding expands a character to at most 18 (U+FDFA).
    folded_name: Mapped[str] = mapped_column(String(LONGEST_NAME * 18))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hint: Mapped[str] = mapped_column(String(4))
    nonce: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Why it was revoked; None also for keys that were revoked before this was recorded.
    revoked_for: Mapped[str | None] = mapped_column(String(20))
    # A trap: it is always refused, and its first use is mailed to its owner.
    is_canary: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Set by a rotation. When the new key is rotated too, `replaced_by` becomes the newest one.
    replaced_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    replaced_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("api_keys.id"), index=True)
    # The key that created this one; None for keys that a session created.
    created_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("api_keys.id"), index=True)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    replaced_by: Mapped["ApiKey | None"] = relationship(
        remote_side=[id], foreign_keys=[replaced_by_id], lazy="selectin", join_depth=1
    )
    created_by: Mapped["ApiKey | None"] = relationship(
        remote_side=[id], foreign_keys=[created_by_id], lazy="selectin", join_depth=1
    )

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def expires_soon(self) -> bool:
        """Whether the key expires in the next 14 days; False once it has expired."""
        return self.expires_at is not None and timedelta() < self.expires_at - now() <= WARNED_BEFORE

    @property
    def restorable_until(self) -> datetime | None:
        """The time until which the key can be restored; None if it cannot."""
        if self.revoked_at is None or self.revoked_for != Revocation.OWNER or self.has_expired:
            return None
        until = self.restorable_if_revoked_at(self.revoked_at)
        return until if until > now() else None

    def restorable_if_revoked_at(self, at: datetime) -> datetime:
        """Return until when its owner can restore a key that is revoked at this time: a day, or its expiry."""
        until = at + RESTORABLE_FOR
        return min(until, self.expires_at or until)

    @property
    def creator(self) -> dict[str, str | None]:
        """What created the key: a session, or another key with its id and name."""
        if self.created_by is None:
            return {"type": "session", "id": None, "name": None}
        return {"type": "key", "id": self.created_by.public_id, "name": self.created_by.name}

    @property
    def masked_secret(self) -> str:
        """The displayed part of the secret: prefix and last four characters."""
        return f"{KEY_PREFIX}…{self.hint}"


class KeyOrigin(Model):
    """A network or a credential with which a person has created keys; only its digest is stored."""

    __tablename__ = "key_origins"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    first_used_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class Use(Model):
    """One request that presented a valid key. Rows are appended, never changed.

    It has no foreign key and no index but the primary key: each would double the cost of every
    request. Roll-ups derive `UsageTotal` and `UsageRange` from these rows in batches (`usage/rollup.py`).
    """

    __tablename__ = "uses"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    key_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(255))
    status: Mapped[int] = mapped_column(SmallInteger)
    outcome: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))

    key: Mapped[ApiKey] = relationship(
        primaryjoin=lambda: foreign(Use.key_id) == ApiKey.id, lazy="raise", viewonly=True
    )

    @property
    def public_id(self) -> str:
        return f"{USE_ID_PREFIX}{self.id}"

    @property
    def program(self) -> str | None:
        """The program that the user agent names; None if unknown."""
        return program_of(self.user_agent)


class UsageTotal(Model):
    """How often a key was used, up to the cursor. `pruned` of these uses are no longer in the log."""

    __tablename__ = "use_totals"

    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)
    pruned: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)


class UsageRange(Model):
    """The range of ids and times in the log that contains the uses of a key in one roll-up."""

    __tablename__ = "use_spans"

    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # The id of the last use in the roll-up, of any key.
    fold: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_at: Mapped[datetime] = mapped_column(UTCDateTime)


class QuarterCount(Model):
    """The logged uses of a key in a quarter of an hour, accepted and refused.

    `quarter` counts quarters of an hour since 1970 in UTC: the offsets of all time zones are multiples of it.
    """

    __tablename__ = "use_quarters"

    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    quarter: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    accepted: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[int] = mapped_column(BigInteger)


class RollupCursor(Model):
    """One row with the id of the last rolled-up use, and of the last one in `QuarterCount`.

    The second one is behind, or NULL, only between an upgrade and the next roll-up.
    """

    __tablename__ = "use_marks"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    upto: Mapped[int] = mapped_column(BigInteger)
    counted_upto: Mapped[int | None] = mapped_column(BigInteger)


class KeyRefusal(Model):
    """How many requests with a key were refused for one reason."""

    __tablename__ = "key_refusals"

    key_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("api_keys.id"), primary_key=True, autoincrement=False
    )
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_at: Mapped[datetime] = mapped_column(UTCDateTime)


class RefusedAttempt(Model):
    """One of the latest refused requests with a key. A new one overwrites the row of its `slot`."""

    __tablename__ = "key_refused_attempts"

    key_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("api_keys.id"), primary_key=True, autoincrement=False
    )
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(255))
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))

    @property
    def program(self) -> str | None:
        """The program that the user agent names; None if unknown."""
        return program_of(self.user_agent)


class KeyClient(Model):
    """A client of a key: an address and a program, collected from the log (`usage/clients.py`)."""

    __tablename__ = "key_clients"
    __table_args__ = (partial_index("ix_key_clients_unnoticed", "key_id", where="noticed_at IS NULL"),)

    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    address: Mapped[str] = mapped_column(String(45), primary_key=True)
    program: Mapped[str] = mapped_column(String(LONGEST_PROGRAM), primary_key=True)
    is_ci: Mapped[bool] = mapped_column()
    network: Mapped[str] = mapped_column(String(45))
    count: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # When its owner was mailed about it, or when the job decided that no mail is needed.
    noticed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ClientCursor(Model):
    """One row with the id of the last use that was added to `KeyClient`."""

    __tablename__ = "key_client_cursor"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    upto: Mapped[int] = mapped_column(BigInteger)


class Notice(Model):
    """A mail about a key that was posted, by recipient, kind and subject, so that it is posted once."""

    __tablename__ = "key_notices"

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    # 0 for a mail about several keys.
    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(String(120), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
