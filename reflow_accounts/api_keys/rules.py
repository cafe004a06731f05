"""The name and the end of a key: choices of forms, validation, the limit for created keys, the warning header."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased

from reflow_accounts.api_keys.models import LONGEST_NAME, RESTORABLE_FOR, WARNED_BEFORE, ApiKey
from reflow_accounts.contract import KEY_EXPIRES_HEADER
from reflow_accounts.database import db, now
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.text import comparable

NEVER, ON_A_DATE = "never", "date"
# The choices of forms, with their labels.
CHOICES = {
    NEVER: "Never",
    "30": "In 30 days",
    "90": "In 90 days",
    "365": "In 365 days",
    ON_A_DATE: "On a date",
}
_LAST_YEAR = 9998


def chosen_end(choice: str, last_day: str, zone: tzinfo) -> datetime | None:
    """Return the expiry chosen in a form, or None for never.

    `choice` is one of CHOICES. `last_day` is the last day in `zone` on which the key works, such as 2027-03-31. Raises
    ValidationFailed for the fields `expires` and `expires_on`.
    """
    if choice not in CHOICES:
        raise ValidationFailed(expires="Choose when the key expires")
    last_day = last_day.strip()
    if choice != ON_A_DATE:
        if last_day:
            raise ValidationFailed(expires="Choose “On a date” to use the date below, or clear it")
        return None if choice == NEVER else now() + timedelta(days=int(choice))
    if not last_day:
        raise ValidationFailed(expires_on="Enter the last day on which the key works")
    try:
        day = date.fromisoformat(last_day)
    except ValueError:
        raise ValidationFailed(expires_on="Enter a date such as 2027-03-31") from None
    if day.year > _LAST_YEAR:
        raise ValidationFailed(expires_on=f"Choose a date before the end of {_LAST_YEAR}")
    # The last second, not midnight: the expiry is displayed as a date.
    end = datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC)
    if end <= now():
        raise ValidationFailed(expires_on="Choose today or a later date")
    return end


def warning_headers(expires_at: datetime | None) -> dict[str, str]:
    """Return the response header for a key that expires in the next 14 days; empty for others."""
    if expires_at is None or expires_at - now() > WARNED_BEFORE:
        return {}
    return {KEY_EXPIRES_HEADER: f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def end_under(created_by: ApiKey | None, expires_at: datetime | None) -> datetime | None:
    """Return the expiry of a new key: `expires_at`, or else that of the key that creates it.

    `created_by` None is a session, which sets no limit. The creating key is locked until the transaction ends,
    so that its expiry does not change meanwhile. Raises ValidationFailed if `expires_at` is later than its expiry.
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
    """Return the keys that `key` itself created and that expire after `at`: live and restorable ones."""
    ends_later = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at)
    is_live = or_(ApiKey.revoked_at.is_(None), ApiKey.revoked_at > now() - RESTORABLE_FOR)
    query = select(ApiKey).where(ApiKey.created_by_id == key.id, is_live, ends_later)
    return db.session.scalars(query.order_by(ApiKey.id.desc())).all()


def created_keys(key: ApiKey) -> list[ApiKey]:
    """Return the live descendants of a key, newest first.

    These are the keys created by it, by a key that it replaced, or by another descendant, including those of service
    accounts.
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


def checked_name(name: str) -> str:
    """Return the normalized name. Raises ValidationFailed with a message for its field."""
    return text.checked(name, LONGEST_NAME, field="name", empty="Enter a name for this key")


def key_with_name(owner: User, name: str) -> ApiKey | None:
    """Return the owner's key that is listed with a name that equals or looks like `name`.

    That includes a previous key that still works although its successor was revoked.
    """
    new = aliased(ApiKey)
    successor = select(new.id).where(new.id == ApiKey.replaced_by_id, new.revoked_at.is_(None))
    is_left_over = and_(ApiKey.expires_at > now(), ~successor.exists())
    query = select(ApiKey).where(
        ApiKey.user_id == owner.id,
        ApiKey.folded_name == comparable(name),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.replaced_at.is_(None), is_left_over),
    )
    return db.session.scalar(query.order_by(ApiKey.id.desc()).limit(1))


def name_taken_error(owner: User, name: str) -> ValidationFailed:
    """Return the error for a name that another key of the owner has; it quotes that key's exact name."""
    key = key_with_name(owner, name)
    existing_name = key.name if key else name
    who = "You already have" if owner.is_person else f"{owner.full_name} already has"
    alike = "" if text.folded(existing_name) == text.folded(name) else ", which looks the same"
    if key and key.has_expired:
        return ValidationFailed(
            name=f"{who} a key named {existing_name}{alike}, which has expired. Revoke it, or choose another name"
        )
    return ValidationFailed(name=f"{who} a key named {existing_name}{alike}. Choose another name")
