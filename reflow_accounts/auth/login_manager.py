"""Signed cookies of a browser: its session, a login between password and second factor, and its known users."""

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TypedDict

from flask import current_app, flash, request, session, url_for
from flask_login import UserMixin, current_user, login_user, logout_user
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from reflow_accounts.auth.login import find_by_email, find_session, touch
from reflow_accounts.auth.models import SessionKind, UserSession
from reflow_accounts.auth.second_factor import state_of
from reflow_accounts.config import Settings
from reflow_accounts.database import db, login_manager, now
from reflow_accounts.users.models import User
from reflow_accounts.web import error_handlers, htmx, request_logging
from reflow_accounts.web.redirects import current_page
from reflow_accounts.web.request_info import client

# Flask-Login stores the session's value under this name in the signed cookie.
VALUE = "_user_id"
# How long after the password the second factor is accepted.
PENDING_LIFETIME = timedelta(minutes=10)
# The pending login in the signed cookie; `enter` clears it with the rest.
_PENDING = "second_step"

KNOWN_DEVICE_LIFETIME = timedelta(days=365)
# Users that one browser remembers, the latest ones.
MOST_USERS = 5
_DEVICE_ID_BYTES = 8


class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login is untyped
    """The user object of Flask-Login: a live session. `get_id` returns the value in the cookie."""

    def __init__(self, row: UserSession, value: str) -> None:
        self.session = row
        self.user: User = row.user
        self._value = value

    def get_id(self) -> str:
        return self._value


def current_session() -> UserSession | None:
    """Return the browser's live session, or None."""
    return current_user.session if current_user.is_authenticated else None


def user_for_page() -> User | None:
    """Return the user whose name the page shows; None without a session, or if the database is unavailable."""
    try:
        session = current_session()
    except SQLAlchemyError:
        return None
    return session.user if session else None


def was_signed_in() -> bool:
    """Return whether the browser sent the cookie of a session, live or not."""
    return VALUE in session


def enter(row: UserSession, value: str) -> None:
    """Set the cookie of a new session and drop the content of the old cookie."""
    session.clear()
    session.permanent = True
    login_user(SignedIn(row, value))


def renew(value: str) -> None:
    """Put a new session value into the cookie and keep its other content."""
    session[VALUE] = value


def leave() -> None:
    """Clear the cookie."""
    logout_user()
    session.clear()


def wait_for_second_factor(user: User) -> None:
    """Store in the browser's cookie that the password of `user` was right."""
    session[_PENDING] = {"user": user.public_id, "state": state_of(user), "at": now().timestamp()}


def waiting_user() -> User | None:
    """Return the user of the pending login; None if there is none, or it has expired or ended.

    It ends when a second factor is used or a credential of the user changes. A copy of the cookie
    is useless then.
    """
    pending_login = session.get(_PENDING)
    if not pending_login or now().timestamp() - pending_login["at"] > PENDING_LIFETIME.total_seconds():
        return None
    query = select(User).where(User.public_id == pending_login["user"], User.disabled_at.is_(None))
    user = db.session.scalar(query)
    return user if user and hmac.compare_digest(state_of(user), pending_login["state"]) else None


def ask_to_log_in() -> Response:
    """Redirect to the log-in page, and back to this page after login; a form that htmx sent keeps its content."""
    had_session = was_signed_in()
    if had_session:
        # Not cleared otherwise: another tab may be logging in, with the CSRF token and pending login of the cookie.
        session.clear()
    if htmx.is_htmx() and request.method == "POST":
        return error_handlers.old_session(401)
    if had_session or htmx.is_htmx():
        end = "." if request.method == "GET" else ", and nothing was changed."
        flash(f"Your session ended{end} Log in to continue.", "session")
    return htmx.go_to(url_for("public.auth.login", next=current_page()))


@login_manager.user_loader  # type: ignore[untyped-decorator]
def _load(value: str) -> SignedIn | None:
    row = find_session(value, SessionKind.BROWSER)
    if row is None:
        return None
    request_logging.name_person(row.user.public_id)
    if touch(row):
        db.session.commit()
    return SignedIn(row, value)


class Attempt(TypedDict, total=False):
    """Arguments of `rate_limits.attempt`: the account and address to count an attempt for."""

    account: str
    address: str


def attempt_for(email: str) -> Attempt:
    """Return how to count an attempt to log in with `email`: by device if known, else by account and address."""
    # In a browser with the device cookie, attempts of strangers do not lock its user out (OWASP, "Slow Down Online
    # Guessing Attacks with Device Cookies"). The cookie proves nothing else.
    if devices := _devices():
        user = find_by_email(email)
        if user and (device_id := devices.get(user.public_id)):
            return {"account": f"device {device_id} {user.public_id}"}
    return {"account": email, "address": client().address}


def code_attempt_of(user: User) -> Attempt:
    """Return how to count a second factor of `user`: by account, or by account and address in unknown browsers.

    Known browsers have one limit together: each log-in with the password makes another one, and codes are short.
    """
    if user.public_id in _devices():
        return {"account": f"devices {user.public_id}"}
    return {"account": user.public_id, "address": client().address}


def remember_device(response: Response, user: User) -> None:
    """Set the cookie that makes this browser a known device of `user`, for a year."""
    devices = _devices()
    device_id = devices.pop(user.public_id, None) or secrets.token_urlsafe(_DEVICE_ID_BYTES)
    newest = dict([*devices.items(), (user.public_id, device_id)][-MOST_USERS:])
    response.set_cookie(
        _cookie_name(),
        _serializer().dumps(newest),
        max_age=KNOWN_DEVICE_LIFETIME,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _devices() -> dict[str, str]:
    """Return the device id of each user in the cookie, the latest user last; empty without a valid cookie."""
    try:
        value = _serializer().loads(
            request.cookies.get(_cookie_name(), ""), int(KNOWN_DEVICE_LIFETIME.total_seconds())
        )
    except BadData:
        return {}
    return dict(value)


def _cookie_name() -> str:
    name: str = current_app.config["DEVICE_COOKIE_NAME"]
    return name


def _serializer() -> URLSafeTimedSerializer:
    settings: Settings = current_app.config["SETTINGS"]
    signer = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(settings.signing_keys, salt="known devices", signer_kwargs=signer)
