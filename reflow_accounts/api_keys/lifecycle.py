"""Rename a live API key, shorten its lifetime, rotate it, or restore a revoked one."""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.api_keys.events import mail_owner, record_action, report_creation
from reflow_accounts.api_keys.models import RESTORABLE_FOR, ApiKey, KeyRefusal, Revocation
from reflow_accounts.api_keys.rules import (
    checked_name,
    end_under,
    key_with_name,
    keys_ending_after,
    name_taken_error,
)
from reflow_accounts.api_keys.service import (
    ensure_usable_owner,
    insert_key,
    lock_owner,
    move_previous_keys,
    require_subscription,
)
from reflow_accounts.audit.actions import Action
from reflow_accounts.contract import Code
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import Conflict, Gone, InsufficientRights, ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.text import comparable

# Seconds for which the old key works after a rotation.
DEFAULT_OVERLAP = 3_600
LONGEST_OVERLAP = 7 * 24 * 3_600

_REASONS: dict[str | None, str] = {
    Revocation.SUPPORT: "Support revoked this key, so it cannot be restored. Create a new one.",
    Revocation.DELETION: "This key was revoked with its account, so it cannot be restored.",
    None: "It is not known why this key was revoked, so it cannot be restored. Create a new one.",
}


def change(
    key: ApiKey, *, name: str | None = None, expires_at: datetime | None = None, by: User, client: Client
) -> None:
    """Change the name or expiry of a live key; None keeps a value. Raises as `rename` and `end_at` do."""
    if name is not None:
        rename(key, name, by=by, client=client)
    if expires_at is not None:
        end_at(key, expires_at, by=by, client=client)


def rename(key: ApiKey, name: str, *, by: User, client: Client) -> None:
    """Rename a live key. Raises ValidationFailed as `issue` does."""
    tidy = checked_name(name)
    if tidy == key.name:
        return
    owner, old = key.user, key.name
    if key_with_name(owner, tidy) not in (None, key):
        raise name_taken_error(owner, tidy)
    try:
        with db.session.begin_nested():
            key.name, key.folded_name = tidy, comparable(tidy)
    except IntegrityError:
        raise name_taken_error(owner, tidy) from None
    record_action(Action.KEY_RENAMED, key, by, client, old=old)


def end_at(key: ApiKey, expires_at: datetime, *, by: User, client: Client) -> None:
    """Set the expiry of a live key, and limit that of the keys that it created.

    An expiry can only be moved to an earlier time, so that short-lived keys stay short-lived. Raises
    ValidationFailed for a time in the past, or after the current expiry.
    """
    if expires_at <= now():
        raise ValidationFailed(expires_at="Choose a time in the future")
    if key.expires_at == expires_at:
        return
    sooner = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > expires_at)
    statement = update(ApiKey).where(ApiKey.id == key.id, sooner).values(expires_at=expires_at)
    if not affected_rows(statement):
        raise ValidationFailed(
            expires_at="This key expires earlier than that. An expiry can only be brought forward"
        )
    record_action(Action.KEY_END_SET, key, by, client, expires_at=expires_at.isoformat())
    for created in keys_ending_after(key, expires_at):
        end_at(created, expires_at, by=by, client=client)


def rotate(
    key: ApiKey,
    *,
    overlap: int = DEFAULT_OVERLAP,
    nonce: str | None = None,
    by: User,
    client: Client,
    created_by: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Replace a live key with a new one of the same name; return the new key and its secret.

    The old key works for `overlap` more seconds, but not beyond its expiry. The new key inherits that expiry, or
    that of `created_by`, another key that authenticates the request, if earlier. Of concurrent rotations one
    succeeds. Raises Gone for a revoked key, Conflict for an expired, canary or already replaced one,
    ValidationFailed for a bad `overlap` or `nonce`, and InsufficientRights and SubscriptionInactive as `issue` does.
    """
    if not by.is_person:
        raise InsufficientRights("A service account cannot rotate API keys. An Admin of its team can.")
    ensure_usable_owner(key.user, by)
    if key.is_canary:
        raise rotation_refusal(key)
    require_subscription(key.user)
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise ValidationFailed(overlap="Choose a time from now to 7 days")
    _mark_replaced(key, nonce)
    old_end = key.expires_at
    end = now() + timedelta(seconds=overlap)
    creator, limit = key.created_by, None
    if created_by not in (None, key):
        creator, limit = created_by, end_under(created_by, None)
    new_end = min(filter(None, (old_end, limit)), default=None)
    new, secret = insert_key(key.user, key.name, expires_at=new_end, nonce=nonce, created_by=creator)
    key.expires_at = min(end, old_end) if old_end else end
    move_previous_keys(key, new)
    key.replaced_by = new
    details = {"replaced": key.public_id, "expires_at": key.expires_at.isoformat()}
    record_action(Action.KEY_ROTATED, new, by, client, **details)
    report_creation(new, by=by, client=client, created_by=created_by, replaced=key)
    return new, secret


def _mark_replaced(key: ApiKey, nonce: str | None) -> None:
    """Mark a key as replaced, which locks its row until the transaction ends."""
    moment = now()
    is_usable = and_(
        ApiKey.revoked_at.is_(None),
        ApiKey.replaced_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > moment),
    )
    statement = update(ApiKey).where(ApiKey.id == key.id, is_usable).values(replaced_at=moment)
    succeeded = affected_rows(statement)
    db.session.refresh(key)
    if succeeded:
        return
    if key.revoked_at:
        raise Gone("This API key was revoked. Create a new one.", revoked_at=key.revoked_at)
    if (new := key.replaced_by) and nonce and new.nonce == nonce:
        raise Conflict(
            f"This request already rotated the key. The new key is {new.public_id}; its secret cannot be "
            "shown again.",
            replaced_by=new.public_id,
        )
    raise rotation_refusal(key)


def rotation_refusal(key: ApiKey) -> Conflict:
    """Return why a canary, already replaced or expired key cannot be rotated."""
    if key.is_canary:
        return Conflict("A canary key cannot be rotated. Revoke it and create another one.")
    if new := key.replaced_by:
        return Conflict(f"This API key was already replaced by {new.public_id}.", replaced_by=new.public_id)
    return Conflict("This API key has expired. Create a new one.")


def restore(key: ApiKey, *, by: User, client: Client) -> None:
    """Restore a revoked key, for requests that start after the commit, and mail its owner.

    Keys that were revoked with it stay revoked. For a service account, `by` must be an Admin of its team. Raises
    Conflict, with the reason, unless `key.restorable_until` allows it, and when another live key has its name.
    """
    lock_owner(key.user, by)
    moment = now()
    is_restorable = (
        ApiKey.revoked_for == Revocation.OWNER,
        ApiKey.revoked_at > moment - RESTORABLE_FOR,
        ApiKey.expires_at.is_(None) | (ApiKey.expires_at > moment),
    )
    statement = update(ApiKey).where(ApiKey.id == key.id, *is_restorable)
    if key.restorable_until and _has_rival(key):
        raise _name_conflict(key)
    try:
        with db.session.begin_nested():
            was_restored = affected_rows(statement.values(revoked_at=None, revoked_for=None))
    except IntegrityError:
        raise _name_conflict(key) from None
    db.session.refresh(key)
    if not was_restored:
        raise Conflict(_refusal_reason(key))
    refusal_count = db.session.scalar(
        select(KeyRefusal.count).where(KeyRefusal.key_id == key.id, KeyRefusal.code == Code.REVOKED_KEY)
    )
    record_action(Action.KEY_RESTORED, key, by, client, refused=str(refusal_count or 0))
    mail_owner(
        key,
        "key_restored",
        by=by.full_name,
        at=exact(moment),
        device=client.device,
        address=client.address,
        refused=refusal_count or 0,
    )


def _has_rival(key: ApiKey) -> bool:
    """Return whether another listed key has the name of a revoked one, and neither replaced the other."""
    if key.replaced_by and not key.replaced_by.revoked_at:
        return False
    other = key_with_name(key.user, key.name)
    return other is not None and other.replaced_by_id != key.id


def _name_conflict(key: ApiKey) -> Conflict:
    other = key_with_name(key.user, key.name)
    whose = "You have" if key.user.is_person else f"{key.user.full_name} has"
    return Conflict(
        f"{whose} another key named {other.name if other else key.name} meanwhile. "
        "Revoke that one, or rename it (reflow keys rename), then restore this one."
    )


def _refusal_reason(key: ApiKey) -> str:
    if key.revoked_at is None:
        return "This key is not revoked."
    if key.revoked_for != Revocation.OWNER:
        return _REASONS[key.revoked_for]
    if key.has_expired:
        return "This key has expired meanwhile, so it cannot be restored. Create a new one."
    hours = RESTORABLE_FOR // timedelta(hours=1)
    return f"This key was revoked more than {hours} hours ago, so it cannot be restored. Create a new one."
