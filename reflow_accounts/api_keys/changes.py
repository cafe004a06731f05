"""Rename a live API key, bring its end forward, or rotate it."""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.api_keys.acts import record_act
from reflow_accounts.api_keys.lineage import end_under, keys_ending_after
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.notices import report_creation
from reflow_accounts.api_keys.service import (
    checked_name,
    insert_key,
    name_taken,
    require_subscription,
)
from reflow_accounts.audit.actions import Action
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import Conflict, Gone, InsufficientRights, ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web.names import comparable
from reflow_accounts.web.request_info import Client

# Seconds for which a rotated key still works.
DEFAULT_OVERLAP = 3_600
LONGEST_OVERLAP = 7 * 24 * 3_600


def change(
    key: ApiKey, *, name: str | None = None, expires_at: datetime | None = None, by: User, client: Client
) -> None:
    """Change name or end of a live key; None keeps a value. Raises as `rename` and `end_at` do."""
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
    try:
        with db.session.begin_nested():
            key.name, key.folded_name = tidy, comparable(tidy)
    except IntegrityError:
        raise name_taken(owner, tidy) from None
    record_act(Action.KEY_RENAMED, key, by, client, old=old)


def end_at(key: ApiKey, expires_at: datetime, *, by: User, client: Client) -> None:
    """Let a live key expire at a time in the future.

    The end can only move to an earlier time, so that short-lived keys stay short-lived. Keys that this key
    created end no later.
    Raises ValidationFailed for a time that has passed, or that is later than the key's end.
    """
    if expires_at <= now():
        raise ValidationFailed(expires_at="Choose a time in the future")
    if key.expires_at == expires_at:
        return
    sooner = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > expires_at)
    ended = update(ApiKey).where(ApiKey.id == key.id, sooner).values(expires_at=expires_at)
    if not affected_rows(ended):
        raise ValidationFailed(expires_at="This key ends earlier. An end can only be brought forward")
    record_act(Action.KEY_END_SET, key, by, client, expires_at=expires_at.isoformat())
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
    """Replace a live key by a new one of the same name; return the new key and its secret.

    The old key works for `overlap` more seconds, but no longer than it would have. The new key gets the end
    that the old one had, or the end of `created_by`, the other key that authenticates the request, if sooner.
    Of concurrent rotations one succeeds. Raises Gone for a revoked key, Conflict for an expired or already
    replaced one, ValidationFailed for a bad `overlap` or `nonce`, and InsufficientRights and
    SubscriptionInactive as `issue` does.
    """
    if not by.is_person:
        raise InsufficientRights("A service account rotates no API keys. An Admin of its team rotates them.")
    if key.is_canary:
        raise Conflict("A canary key is not rotated. Revoke it and create another one.")
    require_subscription(key.user)
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise ValidationFailed(overlap="Choose a time from now to 7 days")
    _claim(key, nonce)
    old_end = key.expires_at
    end = now() + timedelta(seconds=overlap)
    creator, limit = key.created_by, None
    if created_by not in (None, key):
        creator, limit = created_by, end_under(created_by, None)
    new_end = min(filter(None, (old_end, limit)), default=None)
    new, secret = insert_key(key.user, key.name, expires_at=new_end, nonce=nonce, created_by=creator)
    key.expires_at = min(end, old_end) if old_end else end
    is_older = and_(ApiKey.user_id == key.user_id, ApiKey.replaced_by_id == key.id)
    db.session.execute(update(ApiKey).where(is_older).values(replaced_by_id=new.id))
    key.replaced_by = new
    details = {"replaced": key.public_id, "expires_at": key.expires_at.isoformat()}
    record_act(Action.KEY_ROTATED, new, by, client, **details)
    report_creation(new, by=by, client=client, created_by=created_by, replaced=key)
    return new, secret


def _claim(key: ApiKey, nonce: str | None) -> None:
    """Mark a key as replaced, which locks its row until the transaction ends."""
    at = now()
    is_usable = and_(
        ApiKey.revoked_at.is_(None),
        ApiKey.replaced_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at),
    )
    claimed = update(ApiKey).where(ApiKey.id == key.id, is_usable).values(replaced_at=at)
    succeeded = affected_rows(claimed)
    db.session.refresh(key)
    if succeeded:
        return
    if key.revoked_at:
        raise Gone("This API key was revoked. Create a new one.", revoked_at=key.revoked_at)
    if new := key.replaced_by:
        if nonce and new.nonce == nonce:
            raise Conflict(
                f"This request already rotated the key. The new key is {new.public_id}; its secret cannot be "
                "shown again.",
                replaced_by=new.public_id,
            )
        raise Conflict(f"This API key was already replaced by {new.public_id}.", replaced_by=new.public_id)
    raise Conflict("This API key has expired. Create a new one.")
