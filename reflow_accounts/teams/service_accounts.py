"""Service accounts: users for programs, owned by a team. Only the team's Admins change them."""

from collections.abc import Collection

from sqlalchemy import delete, select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.database import db, now, require_row
from reflow_accounts.errors import Conflict, Gone, NotFound, ValidationFailed
from reflow_accounts.teams.models import Membership, Rights, ServiceAccount, Team
from reflow_accounts.teams.service import add_service_account, lock_as_admin, service_accounts_of
from reflow_accounts.users.models import LONGEST_NAME, User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.text import comparable

_NOT_FOUND = "There is no service account with this id."


def account_of(team: Team, public_id: str) -> User:
    """Return a service account of the team, even if deleted. Raises NotFound, also for accounts of other teams."""
    query = select(User).join(ServiceAccount, ServiceAccount.user_id == User.id)
    return require_row(
        query.where(ServiceAccount.team_id == team.id, User.public_id == public_id), _NOT_FOUND
    )


def live_account_of(team: Team, public_id: str) -> User:
    """Return a service account of the team. Raises NotFound, or Gone for a deleted one."""
    account = account_of(team, public_id)
    _refuse_deleted(account)
    return account


def rights_of(account: User) -> Rights:
    """Return the rights of a service account that is not deleted."""
    return Rights(db.session.scalars(select(Membership.rights).where(Membership.user_id == account.id)).one())


def names_in_use(team: Team, *, but: User | None = None) -> dict[str, str]:
    """Return the names of the team's live service accounts, except `but`, by their form for comparison."""
    names = [account.full_name for account in service_accounts_of(team) if account != but]
    return {comparable(name): name for name in names}


def create(team: Team, name: str, rights: Rights = Rights.EDIT, *, by: User, client: Client) -> User:
    """Create a service account that the team owns.

    `name` is 1 to 120 characters and unique among the team's live service accounts (see `web.text.comparable`).
    Raises ValidationFailed for any other name and for Admin rights, and errors of `lock_as_admin`.
    """
    lock_as_admin(team, by)
    account = add_service_account(team, _checked_name(team, name), rights)
    subject = f"{account.full_name} ({rights.title()})"
    _record(Action.SERVICE_ACCOUNT_CREATED, team, account, by, client, subject, new=rights)
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
    """Rename a service account, change its rights, disable or enable it; None keeps a value.

    Raises the errors of `rename`, `change_rights` and `set_disabled`.
    """
    if name is not None:
        rename(team, account, name, by=by, client=client)
    if rights is not None:
        change_rights(team, account, rights, by=by, client=client)
    if disabled is not None:
        set_disabled(team, account, disabled, by=by, client=client)


def rename(team: Team, account: User, name: str, *, by: User, client: Client) -> None:
    """Rename a service account. Raises ValidationFailed as `create` does, and Gone for a deleted account."""
    _lock(team, account, by)
    new_name, old = _checked_name(team, name, but=account), account.full_name
    if new_name == old:
        return
    account.full_name = new_name
    subject = f"{old} → {new_name}"
    _record(Action.SERVICE_ACCOUNT_CHANGED, team, account, by, client, subject, old=old, new=new_name)


def change_rights(team: Team, account: User, rights: Rights, *, by: User, client: Client) -> None:
    """Set the rights of a service account. Raises ValidationFailed for Admin, and Gone for a deleted account."""
    _lock(team, account, by)
    if rights == Rights.ADMIN:
        raise ValidationFailed(rights="A service account has View or Edit rights")
    old = rights_of(account)
    if rights == old:
        return
    statement = update(Membership).where(Membership.user_id == account.id, Membership.team_id == team.id)
    db.session.execute(statement.values(rights=rights))
    subject = f"{account.full_name} ({old.title()} → {rights.title()})"
    _record(Action.RIGHTS_CHANGED, team, account, by, client, subject, old=old, new=rights)


def set_disabled(team: Team, account: User, disabled: bool, *, by: User, client: Client) -> bool:
    """Disable or enable a service account and thus its keys; return whether that changed anything.

    Raises Gone for a deleted account.
    """
    _lock(team, account, by)
    if disabled == (account.disabled_at is not None):
        return False
    account.disabled_at = now() if disabled else None
    action = Action.SERVICE_ACCOUNT_DISABLED if disabled else Action.SERVICE_ACCOUNT_ENABLED
    _record(action, team, account, by, client)
    return True


def delete_without_keys(team: Team, account: User, *, by: User, client: Client) -> bool:
    """Delete a service account without revoking its keys; return whether it existed.

    Its name and team stay for the record of uses and actions.
    """
    lock_as_admin(team, by)
    db.session.refresh(account)
    if account.deleted_at:
        return False
    # Every check for disabled users then also applies to deleted ones.
    account.deleted_at = account.disabled_at = now()
    db.session.execute(delete(Membership).where(Membership.user_id == account.id))
    _record(Action.SERVICE_ACCOUNT_DELETED, team, account, by, client)
    return True


def ensure_usable(team: Team, account: User, *, by: User) -> None:
    """Lock the team as `lock_as_admin` does, before a key of the account is created.

    Raises Gone for a deleted account, and Conflict for a disabled one, whose keys are refused.
    """
    _lock(team, account, by)
    if account.disabled_at:
        raise Conflict(f"{account.full_name} is disabled. Enable it before you make a key for it.")


def owning_team(account: User) -> Team:
    """Return the team that owns a service account."""
    query = select(Team).join(ServiceAccount, ServiceAccount.team_id == Team.id)
    return db.session.scalars(query.where(ServiceAccount.user_id == account.id)).one()


def account_visible_to(member: User, public_id: str) -> tuple[User, Membership]:
    """Return a service account, even if deleted, and the membership that lets `member` see it.

    Raises NotFound for accounts of teams without `member`.
    """
    query = (
        select(User, Membership)
        .join(ServiceAccount, ServiceAccount.user_id == User.id)
        .join(Membership, Membership.team_id == ServiceAccount.team_id)
    )
    rows = db.session.execute(query.where(User.public_id == public_id, Membership.user_id == member.id))
    row = rows.one_or_none()
    if row is None:
        raise NotFound(_NOT_FOUND)
    return row[0], row[1]


def usable_accounts_of(admin: User) -> list[tuple[Team, User]]:
    """List the service accounts for which a person may create keys, with their teams, by name."""
    query = (
        select(Team, User)
        .join(ServiceAccount, ServiceAccount.team_id == Team.id)
        .join(User, User.id == ServiceAccount.user_id)
        .join(Membership, Membership.team_id == Team.id)
        .where(Membership.user_id == admin.id, Membership.rights == Rights.ADMIN)
        .where(User.disabled_at.is_(None))
    )
    return [(team, user) for team, user in db.session.execute(query.order_by(User.full_name, User.id))]


def account_ids_of_teams(team_ids: Collection[int]) -> list[int]:
    """Return the ids of all service accounts of these teams, including deleted ones."""
    query = select(ServiceAccount.user_id).where(ServiceAccount.team_id.in_(team_ids))
    return list(db.session.scalars(query))


def _lock(team: Team, account: User, by: User) -> None:
    lock_as_admin(team, by)
    db.session.refresh(account)
    _refuse_deleted(account)


def _refuse_deleted(account: User) -> None:
    if account.deleted_at:
        raise Gone("This service account was deleted.")


def _checked_name(team: Team, name: str, *, but: User | None = None) -> str:
    tidy_name = text.tidy(name)
    fault = text.fault_of(tidy_name, LONGEST_NAME, empty="Enter a name for this service account")
    if fault is None and (other_name := names_in_use(team, but=but).get(comparable(tidy_name))):
        fault = f"{team.name} has a service account named {other_name} already. Choose another name"
    if fault:
        raise ValidationFailed(name=fault)
    return tidy_name


def _record(
    action: Action, team: Team, account: User, by: User, client: Client, subject: str = "", **details: str
) -> None:
    record(
        action,
        by=by,
        account=account,
        team=team,
        subject=subject or account.full_name,
        address=client.address,
        whom=account.public_id,
        **details,
    )
