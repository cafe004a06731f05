"""Decide about a team's subscription, as staff: never about one's own team."""

from datetime import datetime

from sqlalchemy import select

from reflow_accounts.errors import InsufficientRights
from reflow_accounts.extensions import db
from reflow_accounts.identity.models import User
from reflow_accounts.subscriptions import changing as subscriptions
from reflow_accounts.teams.models import Membership, Team


def refuse_own_team(team: Team, *, by: User) -> None:
    """Raise InsufficientRights when `by` belongs to the team: nobody decides for themselves."""
    own = select(Membership.team_id).where(Membership.user_id == by.id, Membership.team_id == team.id)
    if db.session.scalar(own) is not None:
        raise InsufficientRights("You belong to this team, so somebody else in support must change it.")


def set_active(
    team: Team,
    active: bool,
    reason: str,
    *,
    by: User,
    seen: int | None = None,
    until: datetime | None = None,
    ticket: str = "",
) -> bool:
    """Change a team's subscription as `subscriptions.set_active` does; not for one's own team."""
    refuse_own_team(team, by=by)
    return subscriptions.set_active(team, active, reason, by=by, seen=seen, until=until, ticket=ticket)


def lift(team: Team, reason: str, *, by: User, seen: int | None = None) -> bool:
    """End support's override as `subscriptions.lift` does; not for one's own team."""
    refuse_own_team(team, by=by)
    return subscriptions.lift(team, reason, by=by, seen=seen)
