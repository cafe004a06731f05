"""Support console: the page of a user, ending of sessions, revocation of keys."""

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import KeyState, keys_of, with_usage_counts
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.second_factor import has_second_factor
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.support import people
from reflow_accounts.support.forms import ReasonForm
from reflow_accounts.support.pages.teams import Answer, pages
from reflow_accounts.support.service import MOST_RESULTS
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client


@pages.get("/users/<user_id>")
def user(user_id: str) -> Answer:
    """Show a user."""
    found = people.user_of(user_id)
    page = render_template(
        "support/user.html",
        found=found,
        memberships=people.memberships_with_teams(found),
        sessions=people.live_sessions_of(found),
        keys=with_usage_counts(keys_of(found, state=KeyState.ALL, limit=MOST_RESULTS)),
        has_second_factor=has_second_factor(found),
    )
    people.record_user_view(found, by=current_user(), client=client())
    db.session.commit()
    return page


@pages.get("/users/<user_id>/sessions/end")
def ask_to_end_sessions(user_id: str) -> Answer:
    """Ask for the reason."""
    found = people.user_of(user_id)
    people.refuse_oneself(found, by=current_user())
    return _ask_about_sessions(found, ReasonForm(formdata=None))


@pages.post("/users/<user_id>/sessions/end")
def end_sessions(user_id: str) -> Answer:
    """End all sessions of a user."""
    ensure_recent_proof()
    found, form = people.user_of(user_id), ReasonForm()
    try:
        count = people.end_sessions(found, form.reason.data or "", by=current_user())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask_about_sessions(found, form), failed.status
    db.session.commit()
    return _done(found, f"{count} session{'' if count == 1 else 's'} of {found.full_name} ended.")


@pages.get("/keys/<key_id>/revocation")
def ask_to_revoke(key_id: str) -> Answer:
    """Ask for the reason."""
    key = people.key_of(key_id)
    people.refuse_oneself(key.user, by=current_user())
    return _ask_about_key(key, ReasonForm(formdata=None))


@pages.post("/keys/<key_id>/revocation")
def revoke_key(key_id: str) -> Answer:
    """Revoke a key of a user and mail the reason."""
    ensure_recent_proof()
    key, form = people.key_of(key_id), ReasonForm()
    try:
        was_live = people.revoke_key(key, form.reason.data or "", by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask_about_key(key, form), failed.status
    db.session.commit()
    return _done(key.user, f"Key {key.name} revoked." if was_live else f"{key.name} was already revoked.")


def _ask_about_sessions(found: User, form: ReasonForm) -> str:
    count = len(people.live_sessions_of(found))
    return render_template("support/sessions_end.html", found=found, form=form, count=count)


def _ask_about_key(key: ApiKey, form: ReasonForm) -> str:
    row = with_usage_counts([key])[0]
    return render_template("support/key_revocation.html", found=key.user, form=form, row=row)


def _done(found: User, message: str) -> Response:
    flash(message, "user-changed")
    return redirect(url_for("support.console.user", user_id=found.public_id), 303)
