"""The section Sessions of the Security tab: list and end sessions."""

from dataclasses import dataclass

from flask import (
    Blueprint,
    flash,
    get_flashed_messages,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from reflow_accounts.auth.current_user import caller, current_user
from reflow_accounts.auth.models import UserSession
from reflow_accounts.auth.sessions import end_elsewhere, end_sessions, other_session_of, other_sessions_page
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.web import htmx
from reflow_accounts.web.pagination import Page
from reflow_accounts.web.request_info import client

blueprint = Blueprint("security_sessions", __name__, url_prefix="/security")

Answer = str | Response

_FLASHED = "sessions-ended"


@dataclass(frozen=True)
class ShownSessions:
    """Data of the section. `message` confirms the last action; `cursor` is that of the page."""

    current: UserSession
    others: Page[UserSession]
    cursor: str | None
    message: str = ""


def shown_sessions(message: str = "") -> ShownSessions:
    """Return this session and a page of the others."""
    cursor = request.values.get("cursor")
    flashed: list[str] = get_flashed_messages(category_filter=[_FLASHED])  # type: ignore[assignment]  # no pairs
    page = other_sessions_page(_current(), cursor=cursor)
    return ShownSessions(_current(), page, cursor, message or "".join(flashed))


@blueprint.post("/sessions/<session_id>/end")
def end_one(session_id: str) -> Answer:
    """End one other session. Repeating it changes nothing."""
    ensure_recent_proof()
    session = other_session_of(_current(), session_id)
    was_live = end_elsewhere(session, by=current_user(), client=client())
    db.session.commit()
    message = f"{session.device} {'was' if was_live else 'was already'} signed out."
    if htmx.is_part():
        return render_template("auth/_sessions.html", sessions=shown_sessions(message), is_done=True)
    return _back(message)


@blueprint.get("/other-sessions/end")
def ask_about_others() -> Answer:
    """Ask before all other devices are signed out."""
    return render_template("auth/other_sessions.html", others=other_sessions_page(_current()))


@blueprint.post("/other-sessions/end")
def end_others() -> Answer:
    """Sign out all other devices."""
    ensure_recent_proof()
    count = end_sessions(current_user(), keep=_current(), by=current_user(), client=client())
    db.session.commit()
    message = f"{count} other session{' was' if count == 1 else 's were'} signed out."
    if not htmx.is_part():
        return _back(message)
    page = render_template("auth/other_sessions_ended.html", sessions=shown_sessions(message))
    return htmx.close_dialog(make_response(page), message)


def _current() -> UserSession:
    session = caller().session
    assert session
    return session


def _back(message: str) -> Response:
    flash(message, _FLASHED)
    return redirect(url_for("account.security.show", _anchor="auth-sessions"), 303)
