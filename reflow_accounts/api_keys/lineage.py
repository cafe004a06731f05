"""Keys that were created with other keys, and how long they may live."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased

from reflow_accounts.api_keys.models import RESTORABLE_FOR, ApiKey
from reflow_accounts.database import db, now
from reflow_accounts.errors import ValidationFailed


def end_under(created_by: ApiKey | None, expires_at: datetime | None) -> datetime | None:
    """Return when a new key ends: at `expires_at`, or with the key that creates it.

    `created_by` None is a session, which sets no limit. The creating key is locked until the transaction ends,
    so that its end does not move meanwhile. Raises ValidationFailed if `expires_at` is later than its end.
    """
    if created_by is None:
        return expires_at
    db.session.refresh(created_by, ["expires_at"], with_for_update={"key_share": True})
    limit = created_by.expires_at
    if expires_at and limit and expires_at > limit:
        sentence = "Choose a time before the end of the key that you are using, or log in"
        raise ValidationFailed(expires_at=sentence)
    return expires_at or limit


def keys_ending_after(key: ApiKey, at: datetime) -> Sequence[ApiKey]:
    """Return the keys that `key` itself created and that end after `at`: live ones, and those that can be restored."""
    ends_later = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at)
    is_live = or_(ApiKey.revoked_at.is_(None), ApiKey.revoked_at > now() - RESTORABLE_FOR)
    query = select(ApiKey).where(ApiKey.created_by_id == key.id, is_live, ends_later)
    return db.session.scalars(query.order_by(ApiKey.id.desc())).all()


def created_keys(key: ApiKey) -> list[ApiKey]:
    """Return the live keys that `key`, or a key that it replaced, created, and those that they created.

    Newest first. Keys of service accounts are included.
    """
    families = select(ApiKey.id).where(or_(ApiKey.id == key.id, ApiKey.replaced_by_id == key.id))
    family = families.cte("family", recursive=True)
    created = aliased(ApiKey)
    family = family.union(
        select(created.id).where(
            or_(created.created_by_id == family.c.id, created.replaced_by_id == family.c.id)
        )
    )
    is_created = and_(ApiKey.id.in_(select(family.c.id)), ApiKey.created_by_id.is_not(None))
    query = select(ApiKey).where(is_created, ApiKey.id != key.id, ApiKey.revoked_at.is_(None))
    return list(db.session.scalars(query.order_by(ApiKey.id.desc())))
