"""Lists of a team's members, with their last activity, and of its waiting invitations."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.usage.queries import usage_counts_of
from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db
from reflow_accounts.teams.invitations import IS_OPEN
from reflow_accounts.teams.models import Invitation, Membership, Rights, Team
from reflow_accounts.users.models import User, UserKind
from reflow_accounts.web.pagination import Page, newest_first, oldest_first


@dataclass(frozen=True)
class Member:
    """A person in a team."""

    user: User
    rights: Rights
    joined_at: datetime
    last_active_at: datetime | None


def members_page(team: Team, *, limit: int, cursor: str | None = None) -> Page[Member]:
    """Return one page of the people of a team, oldest membership first.

    Raises ValidationFailed for an invalid cursor.
    """
    query = (
        select(Membership)
        .join(Membership.user)
        .options(contains_eager(Membership.user))
        .where(Membership.team_id == team.id, User.kind == UserKind.PERSON)
    )
    page = oldest_first(query, Membership.created_at, Membership.user_id, limit=limit, cursor=cursor)
    return Page(describe_members(page.items), page.next_cursor)


def describe_members(memberships: Collection[Membership]) -> list[Member]:
    """Return the members of these memberships (with loaded users), with their last activity."""
    last_activity = last_activity_of([membership.user_id for membership in memberships])
    return [
        Member(row.user, Rights(row.rights), row.created_at, last_activity.get(row.user_id))
        for row in memberships
    ]


def last_activity_of(user_ids: Collection[int]) -> dict[int, datetime]:
    """Return the last activity of each user, by session or API key, without users that have none."""
    query = select(UserSession.user_id, func.max(UserSession.last_active_at))
    latest: dict[int, datetime] = {}
    for user_id, at in db.session.execute(
        query.where(UserSession.user_id.in_(user_ids)).group_by(UserSession.user_id)
    ):
        latest[user_id] = at
    key_query = select(ApiKey.id, ApiKey.user_id).where(ApiKey.user_id.in_(user_ids))
    owner_of: dict[int, int] = dict(db.session.execute(key_query).all())
    for key_id, usage in usage_counts_of(owner_of).items():
        used_at, owner = usage.last_used_at, owner_of[key_id]
        if used_at and (owner not in latest or used_at > latest[owner]):
            latest[owner] = used_at
    return latest


def count_people(team: Team) -> int:
    """Return the number of people in a team."""
    query = select(func.count()).select_from(Membership).join(User, User.id == Membership.user_id)
    return db.session.scalar(query.where(Membership.team_id == team.id, User.kind == UserKind.PERSON)) or 0


def invitations_page(team: Team, *, limit: int, cursor: str | None = None) -> Page[Invitation]:
    """Return one page of the waiting invitations, newest first.

    Raises ValidationFailed for an invalid cursor.
    """
    query = select(Invitation).where(Invitation.team_id == team.id, *IS_OPEN)
    return newest_first(query, Invitation.created_at, Invitation.id, limit=limit, cursor=cursor)
