"""Make teams, put people into them, and say who belongs where."""

from sqlalchemy import or_, select

from reflow_accounts.errors import NotFound, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity.models import User
from reflow_accounts.identity.service import add_service_account_user
from reflow_accounts.teams.models import LONGEST_NAME, Membership, Rights, ServiceAccount, Team
from reflow_accounts.web import text


def add_team(name: str, owner: User) -> Team:
    """Make a team with its first Admin. Raises ValidationFailed for an empty or overlong name."""
    tidy = text.tidy(name)
    fault = text.fault_of(tidy, LONGEST_NAME, empty="Enter a team name")
    if fault:
        raise ValidationFailed(team_name=fault)
    team = Team(name=tidy)
    db.session.add(team)
    db.session.flush()
    add_member(team, owner, Rights.ADMIN)
    return team


def add_member(team: Team, user: User, rights: Rights) -> Membership:
    """Put a user into a team."""
    membership = Membership(team=team, user=user, rights=rights)
    db.session.add(membership)
    db.session.flush()
    return membership


def add_service_account(team: Team, name: str, rights: Rights = Rights.EDIT) -> User:
    """Make a service account that `team` owns. It never has Admin rights."""
    if rights == Rights.ADMIN:
        raise ValidationFailed(rights="A service account has View or Edit rights")
    user = add_service_account_user(name)
    db.session.add(ServiceAccount(user_id=user.id, team_id=team.id))
    add_member(team, user, rights)
    return user


def memberships_of(user: User) -> list[Membership]:
    """List the teams of a user with the user's rights, oldest membership first."""
    query = select(Membership).where(Membership.user_id == user.id)
    return list(db.session.scalars(query.order_by(Membership.created_at, Membership.team_id)))


def members_of(team: Team) -> list[tuple[User, Rights]]:
    """List the users of a team with their rights, by name."""
    query = select(User, Membership.rights).join(Membership, Membership.user_id == User.id)
    rows = db.session.execute(query.where(Membership.team_id == team.id).order_by(User.full_name, User.id))
    return [(user, Rights(rights)) for user, rights in rows]


def find_team(id_or_name: str) -> Team:
    """Return the team with this id, or with this name when only one has it. Raises NotFound."""
    query = select(Team).where(or_(Team.public_id == id_or_name, Team.name == id_or_name))
    found = list(db.session.scalars(query.limit(2)))
    if len(found) != 1:
        why = "More than one team has" if found else "No team has"
        raise NotFound(f"{why} the name {id_or_name}. Give the team's id (team_…).")
    return found[0]
