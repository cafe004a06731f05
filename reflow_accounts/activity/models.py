"""The hash chain of each account and team over its events and uses."""

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts.database import Model, UTCDateTime


class ChainLink(Model):
    """A link of a chain: the digest of one event, or of the chain's uses from `first_id` to `last_id`.

    `chain` is the public id of a user or a team. Rows are appended, never changed: the links of pruned uses and
    deleted accounts stay.
    """

    __tablename__ = "chain_links"

    chain: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # "event" or "uses".
    kind: Mapped[str] = mapped_column(String(8))
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    previous: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class ChainCursor(Model):
    """One row: the last event and the last use in the chains, and the time of the last digests of uses."""

    __tablename__ = "chain_cursor"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    events_upto: Mapped[int] = mapped_column(BigInteger)
    uses_upto: Mapped[int] = mapped_column(BigInteger)
    uses_added_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
