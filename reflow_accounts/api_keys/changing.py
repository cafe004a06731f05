"""Change a live key: another name, an earlier end."""

from datetime import datetime

from sqlalchemy import or_, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import checked_name, name_taken, record_act
from reflow_accounts.audit.actions import Action
from reflow_accounts.database import db, now
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client


def change(
    key: ApiKey, *, name: str | None = None, expires_at: datetime | None = None, by: User, client: Client
) -> None:
    """Change what is given of a live key; None leaves it as it is. Raises as `rename` and `end_at` do."""
    if name is not None:
        rename(key, name, by=by, client=client)
    if expires_at is not None:
        end_at(key, expires_at, by=by, client=client)


def rename(key: ApiKey, name: str, *, by: User, client: Client) -> None:
    """Give a live key another name. Raises ValidationFailed as `issue` does."""
    tidy = checked_name(name)
    if tidy == key.name:
        return
    old = key.name
    taken = name_taken(key.user, tidy)
    try:
        with db.session.begin_nested():
            key.name, key.folded_name = tidy, text.folded(tidy)
    except IntegrityError:
        raise taken from None
    record_act(Action.KEY_RENAMED, key, by, client, old=old)


def end_at(key: ApiKey, expires_at: datetime, *, by: User, client: Client) -> None:
    """Have a live key end by itself at a time in the future.

    A key only ever ends sooner than it would have: a life that was meant to be short is not made longer.
    Raises ValidationFailed for a time that has passed, or that is later than the key's end.
    """
    if expires_at <= now():
        raise ValidationFailed(expires_at="Choose a time in the future")
    if key.expires_at == expires_at:
        return
    sooner = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > expires_at)
    ended = update(ApiKey).where(ApiKey.id == key.id, sooner).values(expires_at=expires_at)
    if not db.session.execute(ended).rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        raise ValidationFailed(expires_at="This key ends earlier. An end can only be brought forward")
    record_act(Action.KEY_END_SET, key, by, client, expires_at=expires_at.isoformat())
