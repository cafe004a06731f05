"""The pending login between password and second factor, stored in the browser's signed cookie."""

import hmac
from datetime import timedelta

from flask import session
from sqlalchemy import select

from reflow_accounts.auth.second_factor import state_of
from reflow_accounts.database import db, now
from reflow_accounts.users.models import User

LIFETIME = timedelta(minutes=10)
# Key in the signed cookie. Entering the session (`login_manager.enter`) clears it with the rest.
_KEY = "second_step"


def wait_for(user: User) -> None:
    """Store in the browser's cookie that the password of `user` was right."""
    session[_KEY] = {"user": user.public_id, "state": state_of(user), "at": now().timestamp()}


def waiting_user() -> User | None:
    """Return the user of the pending login; None if there is none, or it has expired or ended.

    It ends when a second factor is used or a credential of the user changes. A copy of the cookie
    is useless then.
    """
    kept = session.get(_KEY)
    if not kept or now().timestamp() - kept["at"] > LIFETIME.total_seconds():
        return None
    query = select(User).where(User.public_id == kept["user"], User.disabled_at.is_(None))
    user = db.session.scalar(query)
    return user if user and hmac.compare_digest(state_of(user), kept["state"]) else None
