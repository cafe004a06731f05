"""Teams and memberships: create, find, lock, leave, and the current team of a user."""

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.orm import aliased

from reflow_accounts.auth.password_policy import adds_personal_words
from reflow_accounts.database import db, require_row
from reflow_accounts.errors import Conflict, InsufficientRights, NotFound, ValidationFailed
from reflow_accounts.teams.models import LONGEST_NAME, Membership, Rights, ServiceAccount, Team, TeamChoice
from reflow_accounts.users.models import User, UserKind
from reflow_accounts.users.profile import add_service_account_user
from reflow_accounts.web import text

NO_SUCH_TEAM = "There is no team with this id."


def add_team(name: str, owner: User) -> Team:
    """Create a team with its first Admin. Raises ValidationFailed for an empty or overlong name."""
    team = Team(name=checked_team_name(name))
    db.session.add(team)
    db.session.flush()
    add_member(team, owner, Rights.ADMIN)
    return team


def checked_team_name(name: str, *, field: str = "team_name") -> str:
    """Return the normalized name. Raises ValidationFailed with a message for `field`."""
    return text.checked(name, LONGEST_NAME, field=field, empty="Enter a team name")


def add_member(team: Team, user: User, rights: Rights) -> Membership:
    """Add a user to a team."""
    membership = Membership(team=team, user=user, rights=rights)
    db.session.add(membership)
    db.session.flush()
    return membership


def add_service_account(team: Team, name: str, rights: Rights = Rights.EDIT) -> User:
    """Create a service account that `team` owns. It never has Admin rights."""
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


def admins_of(team: Team) -> list[User]:
    """List the people who are Admins of a team, have an e-mail address and are not disabled."""
    query = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.team_id == team.id, Membership.rights == Rights.ADMIN)
        .where(User.kind == UserKind.PERSON, User.disabled_at.is_(None), User.email.is_not(None))
    )
    return list(db.session.scalars(query.order_by(User.id)))


def addresses_of_admins(team: Team) -> list[str]:
    """List the e-mail addresses of `admins_of`."""
    return [user.email for user in admins_of(team) if user.email]


def membership_of(user: User, team_public_id: str) -> Membership:
    """Return the user's membership of a team. Raises NotFound, also for teams of other users."""
    query = select(Membership).join(Membership.team).where(Membership.user_id == user.id)
    return require_row(query.where(Team.public_id == team_public_id), NO_SUCH_TEAM)


def admin_membership_of(user: User, team_id: str) -> Membership:
    """Return the membership of an Admin. Raises NotFound, and InsufficientRights for other members."""
    membership = membership_of(user, team_id)
    ensure_rights(membership, Rights.ADMIN)
    return membership


def ensure_rights(membership: Membership, rights: Rights) -> None:
    """Raise InsufficientRights, with `rights` in the message, unless the member has these rights."""
    if not Rights(membership.rights).includes(rights):
        raise InsufficientRights(f"This needs {rights.title()} rights to {membership.team.name}.")


def find_team(id_or_name: str) -> Team:
    """Return the team with this id or unique name. Raises NotFound."""
    query = select(Team).where(or_(Team.public_id == id_or_name, Team.name == id_or_name)).order_by(Team.id)
    teams = list(db.session.scalars(query.limit(10)))
    if not teams:
        raise NotFound(f"No team has the name or id {id_or_name}.")
    if len(teams) > 1:
        ids = ", ".join(team.public_id for team in teams)
        raise NotFound(f"More than one team has the name {id_or_name}. Give the id of one: {ids}.")
    return teams[0]


@adds_personal_words
def names_of_teams(user: User) -> list[str]:
    """List the names of the user's teams, which a password must not be made of."""
    return [membership.team.name for membership in memberships_of(user)]


def service_accounts_of(team: Team) -> list[User]:
    """List the service accounts of a team, without deleted ones."""
    query = select(User).join(ServiceAccount, ServiceAccount.user_id == User.id)
    account_query = query.where(ServiceAccount.team_id == team.id, User.deleted_at.is_(None))
    return list(db.session.scalars(account_query.order_by(User.id)))


def teams_that_need(user: User) -> list[Team]:
    """List the teams with other people in which the user is the only Admin."""
    return [
        team
        for team, rights, people, admins in _teams_with_counts(user)
        if rights == Rights.ADMIN and people > admins == 0
    ]


def teams_left_empty_by(user: User) -> list[Team]:
    """List the teams in which the user is the only person."""
    return [team for team, _, people, _ in _teams_with_counts(user) if people == 0]


def leave_every_team(user: User) -> list[Team]:
    """Remove the user from every team; return the teams without remaining people.

    Raises Conflict if a team needs the user as its Admin.
    """
    lock_teams_of(user)
    teams_in_need = teams_that_need(user)
    if teams_in_need:
        names = ", ".join(team.name for team in teams_in_need)
        raise Conflict(f"You are the only Admin of {names}. Make somebody else Admin first.")
    empty_teams = teams_left_empty_by(user)
    for model in (Membership, TeamChoice):
        db.session.execute(delete(model).where(model.user_id == user.id))
    return empty_teams


def lock_team(team_id: int) -> None:
    """Lock the memberships of a team until the transaction ends.

    Lock before removing an Admin and read again afterwards, so that of two Admins who leave concurrently one stays.
    Lock order: the team before rows of its people.
    """
    db.session.execute(update(Team).where(Team.id == team_id).values(name=Team.name))


def lock_as_member(team: Team, user: User) -> Membership:
    """Lock a team and return the user's current membership. Raises NotFound without one."""
    lock_team(team.id)
    query = select(Membership).where(Membership.team_id == team.id, Membership.user_id == user.id)
    return require_row(query.execution_options(populate_existing=True), NO_SUCH_TEAM)


def lock_as_admin(team: Team, user: User) -> None:
    """Lock a team for an action of its Admin. Raises NotFound, and InsufficientRights for other members."""
    ensure_rights(lock_as_member(team, user), Rights.ADMIN)


def lock_teams_of(user: User) -> None:
    """Lock every team of the user, in a fixed order."""
    query = select(Membership.team_id).where(Membership.user_id == user.id).order_by(Membership.team_id)
    for team_id in list(db.session.scalars(query)):
        lock_team(team_id)


def _teams_with_counts(user: User) -> list[tuple[Team, str, int, int]]:
    """List the user's teams with the user's rights, and the numbers of other people and of other enabled Admins."""
    other, person = aliased(Membership), aliased(User)
    is_admin = and_(other.rights == Rights.ADMIN, person.disabled_at.is_(None))
    query = (
        select(Team, Membership.rights, func.count(person.id), func.count(case((is_admin, person.id))))
        .join(Membership, Membership.team_id == Team.id)
        .outerjoin(other, and_(other.team_id == Team.id, other.user_id != user.id))
        .outerjoin(person, and_(person.id == other.user_id, person.kind == UserKind.PERSON))
        .where(Membership.user_id == user.id)
        .group_by(Team.id, Membership.rights)
        .order_by(Team.id)
    )
    return [(team, rights, people, admins) for team, rights, people, admins in db.session.execute(query)]


def current_of(user: User) -> Membership | None:
    """Return the user's membership of the current team; None without a team, or with several and no choice."""
    return current_among(memberships_of(user))


def current_among(memberships: list[Membership]) -> Membership | None:
    """Return the current one of a user's memberships, as `current_of` does."""
    if len(memberships) < 2:
        return memberships[0] if memberships else None
    query = select(TeamChoice.team_id).where(TeamChoice.user_id == memberships[0].user_id)
    team_id = db.session.scalar(query)
    return next((row for row in memberships if row.team_id == team_id), None)


def choose(membership: Membership) -> None:
    """Store the team of this membership as the user's current one."""
    db.session.merge(TeamChoice(user_id=membership.user_id, team_id=membership.team_id))
    db.session.flush()
