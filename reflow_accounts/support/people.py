"""Users and keys in the console: search, lookup, end sessions, revoke keys."""

import re

from sqlalchemy import func, or_, select

from reflow_accounts.api_keys import service as api_keys
from reflow_accounts.api_keys.events import mail_owner
from reflow_accounts.api_keys.models import ApiKey, Revocation
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.contract import KEY_PREFIX, SECRET_LENGTH
from reflow_accounts.database import db, require_row
from reflow_accounts.email_addresses import stored_forms
from reflow_accounts.errors import InsufficientRights
from reflow_accounts.support.service import MOST_RESULTS
from reflow_accounts.users import admin
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.text import holds_secret


def find_people(query_text: str) -> list[User]:
    """Return up to 50 users by name, id or e-mail address, sorted by name; none for an empty text or a secret."""
    term = text.tidy(query_text)[: text.LONGEST_TERM]
    if not term or holds_secret(query_text):
        return []
    query = select(User).where(
        User.deleted_at.is_(None),
        or_(
            User.full_name.icontains(term, autoescape=True),
            User.email.icontains(term, autoescape=True),
            User.email.in_(stored_forms(term)),
            User.public_id == term,
        ),
    )
    return list(db.session.scalars(query.order_by(func.lower(User.full_name), User.id).limit(MOST_RESULTS)))


def user_of(public_id: str) -> User:
    """Return a user, deleted or not. Raises NotFound."""
    return require_row(select(User).where(User.public_id == public_id), "There is no user with this id.")


def key_of(public_id: str) -> ApiKey:
    """Return a key of any user. Raises NotFound."""
    return require_row(select(ApiKey).where(ApiKey.public_id == public_id), "There is no key with this id.")


def record_user_view(user: User, *, by: User, client: Client) -> None:
    """Record in the audit log that staff viewed a user."""
    record(Action.USER_VIEWED, by=by, account=user, subject=user.full_name, address=client.address)


def look_up_key(pasted_text: str, *, by: User, client: Client) -> ApiKey | None:
    """Return the first known key in a text, such as a key file, or None, and record the lookup in the audit log.

    The secret is neither stored nor repeated.
    """
    starts = (match.start() for match in re.finditer(KEY_PREFIX, pasted_text))
    keys = (api_keys.find_by_secret(pasted_text[start : start + SECRET_LENGTH]) for start in starts)
    key = next(filter(None, keys), None)
    record(
        Action.SUPPORT_SEARCHED,
        by=by,
        account=key.user if key else None,
        subject=key.name if key else "an unknown API key",
        address=client.address,
        key=key.public_id if key else None,
    )
    return key


def end_sessions(user: User, reason: str, *, by: User, client: Client) -> int:
    """End all sessions of a user and return how many. Raises ValidationFailed without a reason."""
    refuse_oneself(user, by=by)
    return admin.sign_out(user, reason, by=by, client=client)


def revoke_key(key: ApiKey, reason: str, *, by: User, client: Client) -> bool:
    """Revoke a key, mail the reason to its owner, and return whether the key was live.

    For a service account the Admins of its team get the mail. Raises ValidationFailed without a reason.
    """
    refuse_oneself(key.user, by=by)
    reason = text.checked_reason(reason)
    was_live = api_keys.revoke(key, by=by, client=client, reason=reason, why=Revocation.SUPPORT)
    if was_live:
        mail_owner(key, "key_revoked", reason=reason)
    return was_live


def refuse_oneself(user: User, *, by: User) -> None:
    """Raise InsufficientRights when staff act on their own account."""
    if user.id == by.id:
        raise InsufficientRights(
            "This is your own account: change it in Account, or ask a colleague in support."
        )
