"""Administration of users: staff, disable and enable, sign out, reset the second factor."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import find_by_email
from reflow_accounts.auth.mail_links import drop_links_of
from reflow_accounts.auth.models import Passkey, PasskeyChallenge, RecoveryCode, UserSession
from reflow_accounts.auth.sessions import end_sessions, end_sessions_of
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import Conflict, NotFound
from reflow_accounts.mail.service import post
from reflow_accounts.users.models import User
from reflow_accounts.users.profile import add_hashed_person
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client

_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class ListedUser:
    """One row of the operators' list of users."""

    public_id: str
    email: str
    full_name: str
    is_staff: bool
    disabled_at: datetime | None
    deleted_at: datetime | None
    has_totp: bool
    has_passkey: bool
    last_active_at: datetime | None


def user_of(email_or_id: str) -> User:
    """Return the user with this e-mail address or id. Raises NotFound."""
    user = find_by_email(email_or_id)
    if user is None and text.is_plain(email_or_id):
        user = db.session.scalar(select(User).where(User.public_id == email_or_id))
    if user is None:
        raise NotFound(f"No user has the email address or id {email_or_id}. `users list` shows all users.")
    return user


def person_of(email_or_id: str) -> User:
    """Return a person who is not deleted. Raises NotFound, and Conflict for deleted users and service accounts."""
    user = user_of(email_or_id)
    if not user.is_person:
        raise Conflict(f"{user.full_name} is a service account and cannot sign in.")
    return _ensure_not_deleted(user)


def users() -> Iterator[ListedUser]:
    """Yield every user, oldest first, in batches."""
    last_active = select(func.max(UserSession.last_active_at)).where(UserSession.user_id == User.id)
    query = select(
        User.id,
        User.public_id,
        func.coalesce(User.email, ""),
        User.full_name,
        User.is_staff,
        User.disabled_at,
        User.deleted_at,
        User.totp_on_at.is_not(None),
        exists().where(Passkey.user_id == User.id),
        last_active.scalar_subquery(),
    )
    number = 0
    while rows := db.session.execute(
        query.where(User.id > number).order_by(User.id).limit(_ROWS_AT_ONCE)
    ).all():
        for row in rows:
            number, *facts = row
            yield ListedUser(*facts)


def create_person(
    full_name: str, email: str, password_hash: str | None, *, is_staff: bool, by: User | None
) -> User:
    """Create a person; without a password hash, the person must first set a password with a mailed link.

    Raises ValidationFailed for an invalid name, or an invalid or taken address.
    """
    user = add_hashed_person(full_name, email, password_hash, is_staff=is_staff)
    record(Action.ACCOUNT_CREATED, by=by, account=user, subject=user.full_name)
    if is_staff:
        record(Action.STAFF_ADDED, by=by, account=user, subject=user.full_name)
    return user


def set_staff(user: User, is_staff: bool, reason: str, *, by: User | None) -> bool:
    """Grant or remove the role of support staff; return whether that changed anything. Requires a reason."""
    action = Action.STAFF_ADDED if is_staff else Action.STAFF_REMOVED
    return _change(user, action, reason, by, User.is_staff.is_not(is_staff), is_staff=is_staff)


def disable(user: User, reason: str, *, by: User | None) -> bool:
    """Disable a user: end all sessions, and refuse API keys until the user is enabled again.

    Applies to every request that begins after the commit. Returns whether that changed anything;
    raises ValidationFailed for a missing reason.
    """
    has_changed = _change(
        user, Action.USER_DISABLED, reason, by, User.disabled_at.is_(None), disabled_at=now()
    )
    end_sessions_of(user)
    drop_links_of(user)
    return has_changed


def enable(user: User, reason: str, *, by: User | None) -> bool:
    """Enable a user; return whether that changed anything. Raises Conflict for a deleted one."""
    is_disabled = User.disabled_at.is_not(None)
    return _change(_ensure_not_deleted(user), Action.USER_ENABLED, reason, by, is_disabled, disabled_at=None)


def sign_out(user: User, reason: str, *, by: User | None, client: Client | None = None) -> int:
    """End every session of a user, in browsers and terminals; return their number."""
    return end_sessions(user, by=by, reason=text.checked_reason(reason), client=client)


def reset_second_factor(user: User, reason: str, *, by: User | None) -> bool:
    """Remove the authenticator app, the recovery codes and the passkeys of a person; mail the person.

    Returns whether there was anything to remove; raises ValidationFailed for a missing reason.
    """
    reason_text = text.checked_reason(reason)
    off = {"totp_secret": None, "totp_on_at": None, "totp_step": None}
    had_app = or_(User.totp_on_at.is_not(None), User.totp_secret.is_not(None))
    count = affected_rows(update(User).where(User.id == user.id, had_app).values(**off))
    for model in (RecoveryCode, Passkey, PasskeyChallenge):
        count += affected_rows(delete(model).where(model.user_id == user.id))
    if not count:
        return False
    db.session.refresh(user)
    record(Action.SECOND_FACTOR_RESET, by=by, account=user, subject=user.full_name, reason=reason_text)
    if user.email:
        post("second_factor_reset", user.email, name=user.full_name)
    return True


def _change(
    user: User,
    action: Action,
    reason: str,
    by: User | None,
    is_other: ColumnElement[bool],
    **values: Any,
) -> bool:
    """Set columns that differ, record the action, and return True; of concurrent calls, only one does."""
    reason_text = text.checked_reason(reason)
    if not affected_rows(update(User).where(User.id == user.id, is_other).values(**values)):
        return False
    db.session.refresh(user)
    record(action, by=by, account=user, subject=user.full_name, reason=reason_text)
    return True


def _ensure_not_deleted(user: User) -> User:
    if user.deleted_at:
        raise Conflict("This account was deleted. It cannot be used again.")
    return user
