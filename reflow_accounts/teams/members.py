"""Members of a team: join with a new account, change rights, remove, leave; and rename the team."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import contains_eager

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.mail_links import drop_sign_ups_of, lock_sign_ups_of
from reflow_accounts.auth.password_policy import fault_of_new
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.database import db, require_row
from reflow_accounts.errors import Conflict, InsufficientRights, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.invitations import accept, cancel_all_by, cancel_all_to
from reflow_accounts.teams.models import Invitation, Membership, Rights, Team, TeamChoice
from reflow_accounts.teams.service import checked_team_name, lock_as_admin, lock_as_member
from reflow_accounts.users.models import User, UserKind
from reflow_accounts.users.profile import add_hashed_person, checked_full_name
from reflow_accounts.web.request_info import Client


class NeedsAdmin(Conflict):
    """The action would leave a team without an Admin."""

    title = "The team needs an Admin"

    def __init__(self) -> None:
        super().__init__("A team needs at least one admin.")


def member_of(team: Team, user_id: str) -> Membership:
    """Return the membership, with its user, of a person (public id) in a team, freshly read.

    Raises NotFound, also for service accounts.
    """
    query = (
        select(Membership)
        .join(Membership.user)
        .options(contains_eager(Membership.user))
        .where(Membership.team_id == team.id, User.public_id == user_id, User.kind == UserKind.PERSON)
        .execution_options(populate_existing=True)
    )
    return require_row(query, "There is no member with this id. They may have left meanwhile.")


def is_needed(membership: Membership) -> bool:
    """Return whether this member is the only Admin of the team. Disabled Admins do not count."""
    if membership.rights != Rights.ADMIN:
        return False
    others = (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.team_id == membership.team_id,
            Membership.user_id != membership.user_id,
            Membership.rights == Rights.ADMIN,
            User.kind == UserKind.PERSON,
            User.disabled_at.is_(None),
        )
    )
    return not db.session.scalar(others)


def checked_rights(value: str) -> Rights:
    """Return the rights with this name. Raises ValidationFailed."""
    try:
        return Rights(value)
    except ValueError:
        raise ValidationFailed(rights="Choose View, Edit or Admin") from None


def change_rights(team: Team, user_id: str, rights: str, *, by: User, client: Client) -> Membership:
    """Change the rights of a member from the next request on. Repeating it changes nothing.

    Cancels the waiting invitations that a former Admin sent. Raises NotFound, InsufficientRights unless `by` is an
    Admin, NeedsAdmin, and ValidationFailed.
    """
    requested = checked_rights(rights)
    lock_as_admin(team, by)
    member = member_of(team, user_id)
    old = Rights(member.rights)
    if old == requested:
        return member
    if is_needed(member):
        raise NeedsAdmin
    member.rights = requested
    if old == Rights.ADMIN:
        cancel_all_by(team, member.user, by=by, client=client)
    _record(
        Action.RIGHTS_CHANGED,
        member,
        f"{member.user.full_name} ({old.title()} → {requested.title()})",
        by=by,
        client=client,
        old=old,
        new=requested,
    )
    return member


def remove(team: Team, user_id: str, *, by: User, client: Client) -> User:
    """Remove a member from a team and return the person; with their own id, `by` leaves the team.

    Raises NotFound, InsufficientRights unless `by` is an Admin, and NeedsAdmin.
    """
    if user_id == by.public_id:
        leave(team, by=by, client=client)
        return by
    lock_as_admin(team, by)
    member = member_of(team, user_id)
    _remove(Action.MEMBER_REMOVED, member, by=by, client=client)
    return member.user


def leave(team: Team, *, by: User, client: Client) -> None:
    """Leave a team. Raises NotFound, NeedsAdmin for the last Admin, and InsufficientRights for a service account."""
    if not by.is_person:
        raise InsufficientRights("A service account belongs to its team. An Admin may delete it.")
    lock_as_member(team, by)
    _remove(Action.MEMBER_LEFT, member_of(team, by.public_id), by=by, client=client)


def rename(team: Team, name: str, *, by: User, client: Client) -> None:
    """Rename a team. Raises NotFound, InsufficientRights, and ValidationFailed for the name."""
    requested = checked_team_name(name, field="name")
    lock_as_admin(team, by)
    old = team.name
    if requested == old:
        return
    team.name = requested
    record(
        Action.TEAM_RENAMED,
        by=by,
        team=team,
        subject=f"{old} → {requested}",
        address=client.address,
        old=old,
        new=requested,
    )


def record_departure(team: Team, user: User, name: str, rights: str, *, client: Client) -> None:
    """Record for the Admins of a team that the member `name` with `rights` deleted their account."""
    record(
        Action.MEMBER_LEFT,
        by=user,
        team=team,
        subject=f"{name} ({Rights(rights).title()})",
        address=client.address,
        whom=user.public_id,
        old=rights,
        new="",
    )


def _remove(action: Action, member: Membership, *, by: User, client: Client) -> None:
    if is_needed(member):
        raise NeedsAdmin
    user, team = member.user, member.team
    if user.email:
        cancel_all_to(team, user.email)
    cancel_all_by(team, user, by=by, client=client)
    conditions = (TeamChoice.user_id == user.id, TeamChoice.team_id == team.id)
    db.session.execute(delete(TeamChoice).where(*conditions))
    subject = f"{user.full_name} ({Rights(member.rights).title()})"
    _record(action, member, subject, by=by, client=client, old=member.rights)
    db.session.delete(member)
    db.session.flush()


def _record(
    action: Action, member: Membership, subject: str, *, by: User, client: Client, old: str, new: str = ""
) -> None:
    record(
        action,
        by=by,
        account=member.user,
        team=member.team,
        subject=subject,
        address=client.address,
        whom=member.user.public_id,
        old=old,
        new=new,
    )


def join_with_new_account(
    invitation: Invitation, full_name: str, password: str, hasher: PasswordHasher, *, client: Client
) -> User:
    """Create an account for the invited address, which the link verifies, and add it to the team.

    Raises ValidationFailed for the name or the password, then RateLimited, Gone if the invitation is no longer
    open, and Conflict if the address has an account.
    """
    faults: dict[str, str] = {}
    name = full_name
    try:
        name = checked_full_name(full_name)
    except ValidationFailed as failed:
        faults.update(failed.fields)
    fault = fault_of_new(password, (name, invitation.email, invitation.team.name))
    if fault:
        faults["password"] = fault
    if faults:
        raise ValidationFailed(**faults)
    with rate_limits.attempt("sign-up", account=invitation.public_id, address=client.address):
        password_hash = hasher.hash(password)
    lock_sign_ups_of(invitation.email)
    try:
        user = add_hashed_person(name, invitation.email, password_hash)
    except ValidationFailed:
        raise Conflict("This email address has an account already. Log in to join.") from None
    accept(invitation, user, client=client)
    drop_sign_ups_of(invitation.email)
    record(Action.ACCOUNT_CREATED, by=user, account=user, address=client.address)
    return user
