"""Teams, memberships with rights, invitations, and the service accounts that a team owns."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.database import Key, Model, UTCDateTime, now, public_id
from reflow_accounts.users.models import LONGEST_EMAIL, User

LONGEST_NAME = 120


class Rights(StrEnum):
    """Rights of a member; each includes the lower ones: view < edit < admin."""

    VIEW = "view"
    EDIT = "edit"
    ADMIN = "admin"

    def includes(self, other: "Rights") -> bool:
        """Return whether these rights include `other`."""
        return _RISING.index(self) >= _RISING.index(other)

    def sufficient_rights(self) -> tuple["Rights", ...]:
        """Return the rights that include these, from the least."""
        return _RISING[_RISING.index(self) :]


_RISING = (Rights.VIEW, Rights.EDIT, Rights.ADMIN)


class Team(Model):
    """A group of users."""

    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("team"))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class Membership(Model):
    """A user in a team."""

    __tablename__ = "memberships"
    __table_args__ = (Index(None, "team_id"),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"), primary_key=True)
    rights: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    team: Mapped[Team] = relationship(lazy="joined", innerjoin=True)
    user: Mapped[User] = relationship(lazy="raise")


class ServiceAccount(Model):
    """A service account: its user and the team that owns it."""

    __tablename__ = "service_accounts"
    __table_args__ = (Index(None, "team_id"),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))


new_link = public_id("lnk")


class InvitationState(StrEnum):
    """State of an invitation."""

    OPEN = "open"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ACCEPTED = "accepted"


class Invitation(Model):
    """An invitation of an address to a team. At most one is open for an address and team."""

    __tablename__ = "invitations"
    __table_args__ = (
        Index(
            "uq_invitations_open",
            "team_id",
            "email",
            unique=True,
            sqlite_where=text("accepted_at IS NULL AND cancelled_at IS NULL"),
            postgresql_where=text("accepted_at IS NULL AND cancelled_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=public_id("inv"))
    # Signed in the mailed link; renewed when sent again, which makes the older link invalid.
    link: Mapped[str] = mapped_column(String(32), unique=True, default=new_link)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))
    email: Mapped[str] = mapped_column(String(LONGEST_EMAIL), index=True)
    rights: Mapped[str] = mapped_column(String(10))
    invited_by_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    accepted_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    cancelled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    team: Mapped[Team] = relationship(lazy="joined", innerjoin=True)

    @property
    def state(self) -> InvitationState:
        if self.accepted_at:
            return InvitationState.ACCEPTED
        if self.cancelled_at:
            return InvitationState.CANCELLED
        return InvitationState.EXPIRED if now() >= self.expires_at else InvitationState.OPEN


class TeamChoice(Model):
    """The current team of a user with several teams."""

    __tablename__ = "team_choices"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))
