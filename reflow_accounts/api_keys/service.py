"""Issue, find, list and revoke API keys."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, and_, func, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.api_keys.events import record_action, report_creation
from reflow_accounts.api_keys.models import ApiKey, Revocation
from reflow_accounts.api_keys.refused_requests import clear_revoked_refusals
from reflow_accounts.api_keys.rules import (
    checked_name,
    created_keys,
    end_under,
    key_with_name,
    name_taken_error,
)
from reflow_accounts.api_keys.usage.queries import UsageCount, usage_counts_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.auth.secrets import canary_digest_of, digest_of, hint_of, new_secret
from reflow_accounts.contract import KEY_PREFIX, is_well_formed
from reflow_accounts.database import affected_rows, db, is_any_of, now, require_row
from reflow_accounts.errors import (
    Conflict,
    Gone,
    InsufficientRights,
    SubscriptionInactive,
    ValidationFailed,
)
from reflow_accounts.subscriptions.service import has_active_subscription
from reflow_accounts.teams.service import lock_as_admin, memberships_of
from reflow_accounts.teams.service_accounts import ensure_usable, owning_team
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import Page, newest_first
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.text import comparable

LONGEST_NONCE = 64
ROWS_ON_A_PAGE = 50


class KeyState(StrEnum):
    LIVE = "live"
    REVOKED = "revoked"
    ALL = "all"


@dataclass(frozen=True)
class ListedKey:
    """A key with its usage: a row of the table."""

    key: ApiKey
    usage: UsageCount

    @property
    def was_used_today(self) -> bool:
        """Whether the last use is less than 24 hours old."""
        last = self.usage.last_used_at
        return last is not None and now() - last < timedelta(hours=24)


def issue(
    owner: User,
    name: str,
    *,
    by: User,
    client: Client,
    expires_at: datetime | None = None,
    nonce: str | None = None,
    created_by: ApiKey | None = None,
    is_canary: bool = False,
    instead_of: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its secret, which is not stored.

    `name` is 1 to 64 characters, unique among the owner's live keys (see `web.text.comparable`). A `nonce`
    makes the call idempotent: Conflict is raised if it was used before. `created_by` is the API key that
    authenticates the request: the new key ends no later. For a service account, `by` must be an Admin of its team.
    Raises as `ensure_usable_owner` does, InsufficientRights if `by` is a service account, SubscriptionInactive, and
    ValidationFailed for a bad name, or an expiry in the past or later than that of `created_by`. `instead_of` is a
    revoked key, whose previous keys become those of the new one.
    """
    if not by.is_person:
        raise InsufficientRights("A service account cannot create API keys. An Admin of its team can.")
    ensure_usable_owner(owner, by)
    require_subscription(owner)
    tidy = checked_name(name)
    if expires_at and expires_at <= now():
        raise ValidationFailed(expires_at="Choose a time in the future")
    end = end_under(created_by, expires_at)
    # The index does not contain previous keys.
    holder = key_with_name(owner, tidy)
    if holder and holder.replaced_at and not (instead_of and holder.replaced_by_id == instead_of.id):
        raise name_taken_error(owner, tidy)
    key, secret = insert_key(
        owner, tidy, expires_at=end, nonce=nonce, created_by=created_by, is_canary=is_canary
    )
    if instead_of:
        move_previous_keys(instead_of, key)
    details = {"created_by": created_by.public_id} if created_by else {}
    record_action(Action.KEY_CREATED, key, by, client, **details | ({"canary": "yes"} if is_canary else {}))
    report_creation(key, by=by, client=client, created_by=created_by)
    return key, secret


def insert_key(
    owner: User,
    name: str,
    *,
    expires_at: datetime | None,
    nonce: str | None,
    created_by: ApiKey | None,
    is_canary: bool = False,
) -> tuple[ApiKey, str]:
    """Add a key and return it with its secret. Raises as `issue` does for the name and the nonce."""
    if nonce is not None and not 0 < len(nonce) <= LONGEST_NONCE:
        raise ValidationFailed(name="This form is out of date. Close it and open it again")
    secret = new_secret(KEY_PREFIX)
    key = ApiKey(
        user=owner,
        name=name,
        folded_name=comparable(name),
        digest=canary_digest_of(secret) if is_canary else digest_of(secret),
        is_canary=is_canary,
        hint=hint_of(secret),
        expires_at=expires_at,
        nonce=nonce,
        created_by=created_by,
    )
    # Unique constraints decide between concurrent requests with the same name or nonce.
    try:
        with db.session.begin_nested():
            db.session.add(key)
    except IntegrityError:
        same_nonce = select(ApiKey.id).where(ApiKey.user_id == owner.id, ApiKey.nonce == nonce)
        if nonce and db.session.scalar(same_nonce) is not None:
            raise Conflict("This key was already created. It cannot be shown again.") from None
        raise name_taken_error(owner, name) from None
    return key, secret


def move_previous_keys(old: ApiKey, new: ApiKey) -> None:
    """Make the keys that `old` replaced those that `new` replaced."""
    is_previous = and_(ApiKey.user_id == old.user_id, ApiKey.replaced_by_id == old.id)
    db.session.execute(update(ApiKey).where(is_previous).values(replaced_by_id=new.id))


def key_of(user: User, public_id: str) -> ApiKey:
    """Return a key of the user, live or revoked. Raises NotFound, also for keys of other users."""
    query = select(ApiKey).where(ApiKey.public_id == public_id, ApiKey.user_id == user.id)
    return require_row(query, "There is no API key with this id.")


def live_key_of(user: User, public_id: str) -> ApiKey:
    """Return a live key of the user. Raises NotFound, or Gone for a revoked one."""
    key = key_of(user, public_id)
    if key.revoked_at:
        raise Gone("This API key was revoked.", revoked_at=key.revoked_at)
    return key


def keys_of(user: User, *, state: KeyState = KeyState.LIVE) -> list[ApiKey]:
    """List the keys of the user, newest first."""
    query = _keys(user, state).order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    return list(db.session.scalars(query))


def _keys(user: User, state: KeyState) -> Select[ApiKey]:
    query = select(ApiKey).where(ApiKey.user_id == user.id)
    if state == KeyState.ALL:
        return query
    is_live = ApiKey.revoked_at.is_(None)
    return query.where(is_live if state == KeyState.LIVE else ~is_live)


def keys_page(
    user: User,
    *,
    state: KeyState = KeyState.LIVE,
    limit: int = ROWS_ON_A_PAGE,
    cursor: str | None = None,
) -> Page[ListedKey]:
    """Return one page of `keys_of`. Raises ValidationFailed for an invalid cursor."""
    page = newest_first(_keys(user, state), ApiKey.created_at, ApiKey.id, limit=limit, cursor=cursor)
    return Page(with_usage_counts(list(page.items)), page.next_cursor)


def numbers_of_keys(user_ids: Collection[int]) -> list[int]:
    """Return the row ids of all keys of these users, live and revoked."""
    return list(db.session.scalars(select(ApiKey.id).where(is_any_of(ApiKey.user_id, user_ids))))


def live_key_counts(user_ids: Collection[int]) -> dict[int, int]:
    """Return the number of live keys by the user's row id, in one query."""
    query = select(ApiKey.user_id, func.count()).where(
        is_any_of(ApiKey.user_id, user_ids), ApiKey.revoked_at.is_(None)
    )
    known = dict(db.session.execute(query.group_by(ApiKey.user_id)).all())
    return {user_id: known.get(user_id, 0) for user_id in user_ids}


def with_usage_counts(keys: list[ApiKey]) -> list[ListedKey]:
    """Return each key with its usage, in one query."""
    usage_counts = usage_counts_of([key.id for key in keys])
    return [ListedKey(key, usage_counts[key.id]) for key in keys]


def find_by_secret(secret: str) -> ApiKey | None:
    """Return the key, live or revoked, with this secret; None for an unknown one.

    A wrong checksum is refused without a query. This grants nothing and does not count as a use.
    """
    if not secret.startswith(KEY_PREFIX) or not is_well_formed(secret):
        return None
    digests = (digest_of(secret), canary_digest_of(secret))
    return db.session.scalar(select(ApiKey).where(ApiKey.digest.in_(digests)))


def revoke_key(key: ApiKey, *, by: User, client: Client, with_created: bool = False) -> bool:
    """Revoke a person's own key as `revoke` does, or that of a service account for an Admin of its team."""
    lock_owner(key.user, by)
    return revoke(key, by=by, client=client, with_created=with_created)


def revoke(
    key: ApiKey,
    *,
    by: User,
    client: Client,
    reason: str = "",
    why: Revocation = Revocation.OWNER,
    with_created: bool = False,
) -> bool:
    """Revoke a key, for requests that start after the commit; return whether it was live.

    `with_created` revokes the keys of `created_keys` too. `why` decides whether it can be restored. `reason` is the
    one that support gives, for the audit log. Of concurrent revocations one returns True and writes the entry.
    """
    for created in created_keys(key) if with_created else ():
        revoke(created, by=by, client=client, why=why)
    is_live = (ApiKey.id == key.id, ApiKey.revoked_at.is_(None))
    was_live = bool(affected_rows(update(ApiKey).where(*is_live).values(revoked_at=now(), revoked_for=why)))
    if was_live:
        clear_revoked_refusals(key.id)
        record_action(Action.KEY_REVOKED, key, by, client, **({"reason": reason} if reason else {}))
    return was_live


def revoke_all(owner: User, *, by: User, client: Client) -> None:
    """Revoke every live key of an account that is deleted, as `revoke` does."""
    for key in keys_of(owner):
        revoke(key, by=by, client=client, why=Revocation.DELETION)


def lock_owner(owner: User, by: User) -> None:
    """Lock the team of a service account as `lock_as_admin` does; nothing for a person, who has only own keys."""
    if not owner.is_person:
        lock_as_admin(owning_team(owner), by)


def ensure_usable_owner(owner: User, by: User) -> None:
    """Do the same before a new key is created; raises also as `ensure_usable` does."""
    if not owner.is_person:
        ensure_usable(owning_team(owner), owner, by=by)


def require_subscription(owner: User) -> None:
    """Raise SubscriptionInactive when no team of the owner has an active subscription."""
    if has_active_subscription(owner):
        return
    if owner.is_person and not memberships_of(owner):
        raise SubscriptionInactive("API keys need a team, and you are in none. Ask an Admin to invite you.")
    raise SubscriptionInactive("API keys need an active AWS Marketplace subscription. Contact support.")
