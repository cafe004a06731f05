"""Service accounts with their keys: list, delete, change a key, and create both at once for CI."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from reflow_accounts.api_keys.lifecycle import change
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import ROWS_ON_A_PAGE, issue, live_key_counts, revoke_all
from reflow_accounts.api_keys.usage.queries import last_uses_of
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, SubscriptionInactive, ValidationFailed
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Membership, Rights, ServiceAccount, Team
from reflow_accounts.teams.service import lock_as_admin
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import Page, Position, older_than, read_cursor
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.text import comparable

NEEDS_SUBSCRIPTION = "API keys need an active AWS Marketplace subscription. Contact support."
LONGEST_SLUG = 100


@dataclass(frozen=True)
class ListedAccount:
    """A service account with its rights and the usage of its keys: a row of the table."""

    user: User
    rights: Rights
    key_count: int
    last_used_at: datetime | None

    @property
    def is_disabled(self) -> bool:
        return self.user.disabled_at is not None


def accounts_page(
    team: Team, *, limit: int = ROWS_ON_A_PAGE, cursor: str | None = None
) -> Page[ListedAccount]:
    """Return one page of the team's service accounts, newest first.

    Raises ValidationFailed for an invalid cursor.
    """
    query = (
        select(User, Membership.rights)
        .join(ServiceAccount, ServiceAccount.user_id == User.id)
        .join(Membership, Membership.user_id == User.id)
        .where(ServiceAccount.team_id == team.id, Membership.team_id == team.id)
    )
    if before := Position.of(read_cursor(cursor, 2)):
        query = query.where(older_than(User.created_at, User.id, before))
    query = query.order_by(User.created_at.desc(), User.id.desc()).limit(limit + 1)
    rows = [(user, Rights(rights)) for user, rights in db.session.execute(query)]
    page = Page.cut(rows, limit, lambda row: Position(row[0].created_at, row[0].id).numbers)
    user_ids = [user.id for user, _ in page.items]
    counts, last_uses = live_key_counts(user_ids), last_uses_of(user_ids)
    listed_accounts = [
        ListedAccount(user, rights, counts[user.id], last_uses.get(user.id)) for user, rights in page.items
    ]
    return Page(listed_accounts, page.next_cursor)


def row_of(account: User) -> ListedAccount:
    """Return the row of one service account, which is not deleted."""
    return ListedAccount(
        account,
        accounts.rights_of(account),
        live_key_counts([account.id])[account.id],
        last_uses_of([account.id]).get(account.id),
    )


def delete(team: Team, account: User, *, by: User, client: Client) -> bool:
    """Delete a service account and revoke its keys, for requests that start after the commit.

    Returns whether it existed. Its uses stay in the log. Raises as `lock_as_admin` does.
    """
    if not accounts.delete_without_keys(team, account, by=by, client=client):
        return False
    revoke_all(account, by=by, client=client)
    return True


def change_key(
    team: Team,
    key: ApiKey,
    *,
    name: str | None = None,
    expires_at: datetime | None = None,
    by: User,
    client: Client,
) -> None:
    """Change a key of a service account, as `api_keys.lifecycle.change` does; `by` must be an Admin of the team."""
    lock_as_admin(team, by)
    change(key, name=name, expires_at=expires_at, by=by, client=client)


def create_with_key(
    team: Team,
    name: str,
    rights: Rights,
    key_name: str,
    nonce: str,
    *,
    by: User,
    client: Client,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a service account and its key; return the key and its secret.

    `nonce` makes the call idempotent: Conflict is raised if it was used before. Raises
    ValidationFailed for `name`, `rights` and `key_name`, and as `create` and `issue` do.
    """
    lock_as_admin(team, by)
    same_nonce = (
        select(func.count())
        .select_from(ApiKey)
        .join(ServiceAccount, ServiceAccount.user_id == ApiKey.user_id)
        .where(ServiceAccount.team_id == team.id, ApiKey.nonce == nonce)
    )
    if db.session.scalar(same_nonce):
        raise Conflict("This key was already created. It cannot be shown again.")
    if not status_of(team).is_active:
        raise SubscriptionInactive(NEEDS_SUBSCRIPTION)
    account = accounts.create(team, name, rights, by=by, client=client)
    try:
        return issue(account, key_name, by=by, client=client, expires_at=expires_at, nonce=nonce)
    except ValidationFailed as failed:
        fields = {"key_name" if field == "name" else field: why for field, why in failed.fields.items()}
        raise ValidationFailed(**fields) from None


def proposed_name(team: Team) -> str:
    """Return a name for a service account that runs the team's CI: TEAM-ci, with a number if it is taken."""
    plain = unicodedata.normalize("NFKC", team.name).casefold()
    slug = re.sub(r"\W+", "-", plain)[:LONGEST_SLUG].strip("-_") or "team"
    taken_names = accounts.names_in_use(team)
    names = (f"{slug}-ci{f'-{number}' if number else ''}" for number in (0, *range(2, len(taken_names) + 3)))
    return next(name for name in names if comparable(name) not in taken_names)
