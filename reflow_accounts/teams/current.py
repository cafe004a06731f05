"""Which of their teams a user looks at: the only one, or the one that they chose."""

from sqlalchemy import select

from reflow_accounts.database import db
from reflow_accounts.teams.models import Membership, TeamChoice
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.users.models import User


def current_of(user: User) -> Membership | None:
    """Return the user's membership of the current team; None without a team, or with several and no choice."""
    return current_among(memberships_of(user))


def current_among(mine: list[Membership]) -> Membership | None:
    """Return the current one of all memberships of one user, as `current_of` does."""
    if len(mine) < 2:
        return mine[0] if mine else None
    query = select(TeamChoice.team_id).where(TeamChoice.user_id == mine[0].user_id)
    chosen = db.session.scalar(query)
    return next((membership for membership in mine if membership.team_id == chosen), None)


def choose(membership: Membership) -> None:
    """Remember the team of this membership as the user's current one."""
    db.session.merge(TeamChoice(user_id=membership.user_id, team_id=membership.team_id))
    db.session.flush()
