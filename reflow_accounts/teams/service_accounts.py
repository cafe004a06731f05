"""Service accounts: users that a team owns and that are no persons. Only the team's Admins change them."""

from sqlalchemy import delete, select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.errors import Gone, NotFound, ValidationFailed
from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import LONGEST_NAME, User
from reflow_accounts.teams.models import Membership, Rights, ServiceAccount, Team
from reflow_accounts.teams.service import add_service_account, hold_as_admin, service_accounts_of
from reflow_accounts.web import text
from reflow_accounts.web.client import Client

_NOT_THERE = "There is no service account with this id."


def account_of(team: Team, public_id: str) -> User:
    """Return a service account of the team, also a deleted one. Raises NotFound, for other teams' too."""
    query = select(User).join(ServiceAccount, ServiceAccount.user_id == User.id)
    found = db.session.scalar(query.where(ServiceAccount.team_id == team.id, User.public_id == public_id))
    if found is None:
        raise NotFound(_NOT_THERE)
    return found


def live_account_of(team: Team, public_id: str) -> User:
    """Return a service account of the team. Raises NotFound, or Gone for a deleted one."""
    account = account_of(team, public_id)
    _refuse_deleted(account)
    return account


def rights_of(account: User) -> Rights:
    """Return what a service account that is not deleted may do in its team."""
    return Rights(db.session.scalars(select(Membership.rights).where(Membership.user_id == account.id)).one())


def taken_names(team: Team, *, but: User | None = None) -> set[str]:
    """Return the names of the team's live service accounts, `but` one, in the form in which names are one."""
    return {text.folded(account.full_name) for account in service_accounts_of(team) if account != but}


def create(team: Team, name: str, rights: Rights = Rights.EDIT, *, by: User, client: Client) -> User:
    """Make a service account that the team owns.

    `name` is 1 to 120 characters, unlike those of the team's live service accounts without regard to
    case. Raises ValidationFailed for another name and for Admin rights, and as `hold_as_admin` does.
    """
    hold_as_admin(team, by)
    account = add_service_account(team, _checked_name(team, name), rights)
    _record(Action.SERVICE_ACCOUNT_CREATED, team, account, by, client, new=rights)
    return account


def change(
    team: Team,
    account: User,
    *,
    name: str | None = None,
    rights: Rights | None = None,
    disabled: bool | None = None,
    by: User,
    client: Client,
) -> None:
    """Rename a service account, change its rights, disable or enable it: what is None stays as it is.

    Raises as `rename`, `change_rights` and `set_disabled` do.
    """
    if name is not None:
        rename(team, account, name, by=by, client=client)
    if rights is not None:
        change_rights(team, account, rights, by=by, client=client)
    if disabled is not None:
        set_disabled(team, account, disabled, by=by, client=client)


def rename(team: Team, account: User, name: str, *, by: User, client: Client) -> None:
    """Give a service account another name. Raises ValidationFailed as `create` does, Gone for a deleted one."""
    _hold(team, account, by)
    tidy, old = _checked_name(team, name, but=account), account.full_name
    if tidy == old:
        return
    account.full_name = tidy
    _record(Action.SERVICE_ACCOUNT_CHANGED, team, account, by, client, old=old, new=tidy)


def change_rights(team: Team, account: User, rights: Rights, *, by: User, client: Client) -> None:
    """Let a service account view or edit. Raises ValidationFailed for Admin, Gone for a deleted account."""
    _hold(team, account, by)
    if rights == Rights.ADMIN:
        raise ValidationFailed(rights="A service account has View or Edit rights")
    old = rights_of(account)
    if rights == old:
        return
    its = update(Membership).where(Membership.user_id == account.id, Membership.team_id == team.id)
    db.session.execute(its.values(rights=rights))
    _record(Action.RIGHTS_CHANGED, team, account, by, client, old=old, new=rights)


def set_disabled(team: Team, account: User, disabled: bool, *, by: User, client: Client) -> bool:
    """Stop all keys of a service account at once, or let them work again; say whether that changed anything.

    Raises Gone for a deleted account.
    """
    _hold(team, account, by)
    if disabled == (account.disabled_at is not None):
        return False
    account.disabled_at = now() if disabled else None
    action = Action.SERVICE_ACCOUNT_DISABLED if disabled else Action.SERVICE_ACCOUNT_ENABLED
    _record(action, team, account, by, client)
    return True


def bury(team: Team, account: User, *, by: User, client: Client) -> bool:
    """Delete a service account but for its keys; say whether it was there until now.

    Its name and whose it was stay, for the record of uses and acts.
    """
    hold_as_admin(team, by)
    db.session.refresh(account)
    if account.deleted_at:
        return False
    # Whatever is closed to a disabled user is closed to a deleted one.
    account.deleted_at = account.disabled_at = now()
    db.session.execute(delete(Membership).where(Membership.user_id == account.id))
    _record(Action.SERVICE_ACCOUNT_DELETED, team, account, by, client)
    return True


def ensure_usable(team: Team, account: User, *, by: User) -> None:
    """Hold the team's row as `hold_as_admin` does, and raise Gone for an account that is deleted by now."""
    _hold(team, account, by)


def owning_team_id(user: User) -> int | None:
    """Return the number of the team that owns a service account; None for a person."""
    if user.is_person:
        return None
    return db.session.scalar(select(ServiceAccount.team_id).where(ServiceAccount.user_id == user.id))


def account_seen_by(member: User, public_id: str) -> User:
    """Return a service account of a team to which `member` belongs, also a deleted one. Raises NotFound."""
    query = (
        select(User)
        .join(ServiceAccount, ServiceAccount.user_id == User.id)
        .join(Membership, Membership.team_id == ServiceAccount.team_id)
    )
    found = db.session.scalar(query.where(User.public_id == public_id, Membership.user_id == member.id))
    if found is None:
        raise NotFound(_NOT_THERE)
    return found


def accounts_administered_by(admin: User) -> list[int]:
    """Return the numbers of all service accounts, deleted ones too, of the teams whose Admin the user is."""
    query = select(ServiceAccount.user_id).join(Membership, Membership.team_id == ServiceAccount.team_id)
    mine = query.where(Membership.user_id == admin.id, Membership.rights == Rights.ADMIN)
    return list(db.session.scalars(mine))


def _hold(team: Team, account: User, by: User) -> None:
    hold_as_admin(team, by)
    db.session.refresh(account)
    _refuse_deleted(account)


def _refuse_deleted(account: User) -> None:
    if account.deleted_at:
        raise Gone("This service account was deleted.")


def _checked_name(team: Team, name: str, *, but: User | None = None) -> str:
    tidy = text.tidy(name)
    fault = text.fault_of(tidy, LONGEST_NAME, empty="Enter a name for this service account")
    if fault is None and text.folded(tidy) in taken_names(team, but=but):
        fault = f"{team.name} has a service account named {tidy} already. Choose another name"
    if fault:
        raise ValidationFailed(name=fault)
    return tidy


def _record(action: Action, team: Team, account: User, by: User, client: Client, **details: str) -> None:
    record(
        action,
        by=by,
        account=account,
        team_id=team.id,
        subject=account.full_name,
        address=client.address,
        team=team.public_id,
        whom=account.public_id,
        **details,
    )
    db.session.flush()
