"""Find teams and say how they stand."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.recorder import tallies_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.errors import InsufficientRights, NotFound
from reflow_accounts.extensions import db
from reflow_accounts.identity.models import User
from reflow_accounts.subscriptions import changing as subscriptions
from reflow_accounts.subscriptions.service import Standing, standings_of
from reflow_accounts.teams.models import Membership, Team
from reflow_accounts.web import text

MOST_RESULTS = 50


@dataclass(frozen=True)
class FoundTeam:
    """A team as support sees it in a list."""

    team: Team
    standing: Standing
    key_count: int
    last_request_at: datetime | None


def find_teams(words: str) -> list[FoundTeam]:
    """List up to 50 teams whose name or a member's address holds `words`, or whose id they are, by name.

    No words: every team.
    """
    wanted = text.tidy(words).replace("\0", "")
    query = select(Team)
    if wanted:
        people = select(Membership.team_id).join(User, User.id == Membership.user_id)
        query = query.where(
            or_(
                Team.name.icontains(wanted, autoescape=True),
                Team.public_id == wanted,
                Team.id.in_(people.where(User.email.icontains(wanted, autoescape=True))),
            )
        )
    teams = list(db.session.scalars(query.order_by(func.lower(Team.name), Team.id).limit(MOST_RESULTS)))
    return _described(teams)


def team_of(public_id: str) -> Team:
    """Return a team. Raises NotFound."""
    team = db.session.scalar(select(Team).where(Team.public_id == public_id))
    if team is None:
        raise NotFound("There is no team with this id.")
    return team


def described(team: Team) -> FoundTeam:
    """Return one team as support sees it."""
    return _described([team])[0]


def look_at(team: Team, *, by: User, address: str) -> None:
    """Write down that staff looked at a team's data."""
    record(Action.TEAM_VIEWED, by=by, team=team, subject=team.name, address=address)
    db.session.flush()


def refuse_own_team(team: Team, *, by: User) -> None:
    """Raise InsufficientRights when `by` belongs to the team: nobody decides for themselves."""
    own = select(Membership.team_id).where(Membership.user_id == by.id, Membership.team_id == team.id)
    if db.session.scalar(own) is not None:
        raise InsufficientRights("You belong to this team, so somebody else in support must change it.")


def set_active(team: Team, active: bool, reason: str, *, by: User, seen: int | None) -> bool:
    """Change a team's subscription as `subscriptions.set_active` does; not for one's own team."""
    refuse_own_team(team, by=by)
    return subscriptions.set_active(team, active, reason, by=by, seen=seen)


def _described(teams: list[Team]) -> list[FoundTeam]:
    ids = [team.id for team in teams]
    standings = standings_of(ids)
    keys = _key_counts(ids)
    requests = _last_requests(ids)
    return [
        FoundTeam(team, standings[team.id], keys.get(team.id, 0), requests.get(team.id)) for team in teams
    ]


def _key_counts(team_ids: list[int]) -> dict[int, int]:
    query = (
        select(Membership.team_id, func.count())
        .join(ApiKey, ApiKey.user_id == Membership.user_id)
        .where(Membership.team_id.in_(team_ids), ApiKey.revoked_at.is_(None))
        .group_by(Membership.team_id)
    )
    return dict(db.session.execute(query).all())


def _last_requests(team_ids: list[int]) -> dict[int, datetime]:
    query = select(Membership.team_id, ApiKey.id).join(ApiKey, ApiKey.user_id == Membership.user_id)
    keys = db.session.execute(query.where(Membership.team_id.in_(team_ids))).all()
    tallies = tallies_of({key_id for _, key_id in keys})
    found: dict[int, datetime] = {}
    for team_id, key_id in keys:
        at = tallies[key_id].last_used_at
        if at and (team_id not in found or at > found[team_id]):
            found[team_id] = at
    return found
