"""Teams, memberships with rights, and the service accounts that a team owns."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reflow_accounts.extensions import Key, Model, UTCDateTime, now
from reflow_accounts.identity.models import User
from reflow_accounts.web.ids import public_id

LONGEST_NAME = 120


class Rights(StrEnum):
    """What a member may do, each including the one before: view < edit < admin."""

    VIEW = "view"
    EDIT = "edit"
    ADMIN = "admin"


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
    """That a user is a service account, and which team owns it."""

    __tablename__ = "service_accounts"
    __table_args__ = (Index(None, "team_id"),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id"))
