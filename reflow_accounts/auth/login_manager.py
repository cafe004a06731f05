"""Connects the cookie of Flask-Login with the session's row."""

from flask import flash, redirect, request, session, url_for
from flask_login import UserMixin, current_user, login_user, logout_user
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from reflow_accounts.auth.login import find_session, touch
from reflow_accounts.auth.models import SessionKind, UserSession
from reflow_accounts.database import db, login_manager
from reflow_accounts.users.models import User
from reflow_accounts.web import error_handlers, htmx, request_logging
from reflow_accounts.web.redirects import current_page

# Flask-Login stores the session's value under this name in the signed cookie.
VALUE = "_user_id"


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


def shown_user() -> User | None:
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


def ask_to_log_in() -> Response:
    """Redirect to the log-in page, and back to this page after login; a form that htmx sent keeps its content."""
    if htmx.is_htmx() and request.method == "POST":
        session.clear()
        return error_handlers.old_session(401)
    if was_signed_in() or htmx.is_htmx():
        session.clear()
        flash("Your session ended. Log in to continue.", "session")
    address = url_for("public.auth.login", next=current_page())
    return htmx.go_to(address) if htmx.is_htmx() else redirect(address, 303)


@login_manager.user_loader  # type: ignore[untyped-decorator]
def _load(value: str) -> SignedIn | None:
    row = find_session(value, SessionKind.BROWSER)
    if row is None:
        return None
    request_logging.name_person(row.user.public_id)
    if touch(row):
        db.session.commit()
    return SignedIn(row, value)
