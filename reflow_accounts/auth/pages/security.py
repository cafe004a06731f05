"""The Security tab: its sections, the change of a password, and sessions on other devices."""

from dataclasses import dataclass
from typing import Any

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
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import login_manager, passkeys, password_change, second_factor, sessions
from reflow_accounts.auth.current_user import current_user, page_session
from reflow_accounts.auth.forms import ChangePasswordForm
from reflow_accounts.auth.models import Factor, UserSession
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.auth.sessions import end_elsewhere, end_sessions, other_session_of, other_sessions_page
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Gone, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.web import htmx, redirects
from reflow_accounts.web.pagination import Page
from reflow_accounts.web.request_info import client

blueprint = Blueprint("security", __name__, url_prefix="/security")

_FLASH_CATEGORY = "sessions-ended"


@dataclass(frozen=True)
class SessionsSection:
    """Data of the section. `message` confirms the last action; `cursor` is that of the page."""

    current: UserSession
    others: Page[UserSession]
    cursor: str | None
    message: str = ""


def sessions_for_page(message: str = "") -> SessionsSection:
    """Return this session and a page of the others."""
    cursor = request.values.get("cursor")
    messages: list[str] = get_flashed_messages(category_filter=[_FLASH_CATEGORY])  # type: ignore[assignment]  # no pairs
    page = other_sessions_page(page_session(), cursor=cursor)
    return SessionsSection(page_session(), page, cursor, message or "".join(messages))


@blueprint.post("/sessions/<session_id>/end")
def end_one(session_id: str) -> ResponseReturnValue:
    """End one other session. Repeating it changes nothing."""
    ensure_recent_proof()
    session = other_session_of(page_session(), session_id)
    was_live = end_elsewhere(session, by=current_user(), client=client())
    db.session.commit()
    message = f"{session.device} {'was' if was_live else 'was already'} signed out."
    if htmx.is_part():
        return render_template("auth/_sessions.html", sessions=sessions_for_page(message), is_done=True)
    return _back_to_sessions(message)


@blueprint.get("/other-sessions/end")
def ask_about_others() -> ResponseReturnValue:
    """Ask before all other devices are signed out."""
    return render_template("auth/other_sessions.html", others=other_sessions_page(page_session()))


@blueprint.post("/other-sessions/end")
def end_others() -> ResponseReturnValue:
    """Sign out all other devices."""
    ensure_recent_proof()
    count = end_sessions(current_user(), but=page_session(), by=current_user(), client=client())
    db.session.commit()
    message = f"{count} other session{' was' if count == 1 else 's were'} signed out."
    if not htmx.is_part():
        return _back_to_sessions(message)
    page = render_template("auth/other_sessions_ended.html", sessions=sessions_for_page(message))
    return htmx.close_dialog(make_response(page), message)


def _back_to_sessions(message: str) -> AnyResponse:
    flash(message, _FLASH_CATEGORY)
    return redirect(url_for("account.security.show", _anchor="auth-sessions"), 303)


@blueprint.get("")
def show() -> str:
    """Show password, second factor, passkeys and sessions."""
    return render_tab()


@blueprint.post("/password")
def change_password() -> ResponseReturnValue:
    """Change the password, end every other session and give this one a new value."""
    form, session = ChangePasswordForm(), page_session()
    account = current_user().public_id
    try:
        with rate_limits.attempt("step-up", account=account):
            password_change.change(
                current_user(),
                form.current_password.data or "",
                form.new_password.data or "",
                hasher(),
                session=session,
                by=current_user(),
                client=client(),
            )
    except ValidationFailed as failed:
        db.session.rollback()
        if "current_password" in failed.fields:
            sessions.refuse_confirmation(session, client=client())
            db.session.commit()
        else:
            rate_limits.give_back("step-up", account=account)
        form.show(failed)
        return render_tab(form=form, password_form=form), 422
    try:
        value = sessions.confirm(session, Factor.PASSWORD, client=client())
    except Gone:
        db.session.rollback()
        return login_manager.ask_to_log_in()
    db.session.commit()
    rate_limits.give_back("step-up", account=account)
    if value:
        login_manager.renew(value)
    flash("Password changed. Other devices were signed out.", "password-changed")
    return redirect(url_for("account.security.show"), 303)


def render_tab(**variables: Any) -> str:
    """Render the tab; `variables` replace those of its sections."""
    site = Site.at(redirects.origin())
    sections: dict[str, Any] = {
        "password_form": ChangePasswordForm(formdata=None),
        "factor": second_factor.status_of(current_user()),
        "passkeys": passkeys.passkeys_of(current_user()),
        "sessions": sessions_for_page(),
        "address": site.address,
        "local_name": site.local_name,
    }
    return render_template("auth/security.html", **sections | variables)
