"""Names of API keys: what is valid, and which key of an owner has a name."""

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased

from reflow_accounts.api_keys.models import LONGEST_NAME, ApiKey
from reflow_accounts.database import db, now
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.text import comparable


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
