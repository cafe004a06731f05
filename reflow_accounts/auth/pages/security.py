"""The Security tab, and the change of a password on it."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import login_manager, passkeys, password_change, second_factor, sessions
from reflow_accounts.auth.current_user import caller, current_user
from reflow_accounts.auth.forms import ChangePasswordForm
from reflow_accounts.auth.models import Factor
from reflow_accounts.auth.pages.sessions import shown_sessions
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.web import redirects
from reflow_accounts.web.request_info import client

blueprint = Blueprint("security", __name__, url_prefix="/security")

Answer = str | AnyResponse | tuple[str, int]


@blueprint.get("")
def show() -> str:
    """Show password, second factor, passkeys and sessions."""
    return shown()


@blueprint.post("/password")
def change_password() -> Answer:
    """Change the password, end every other session and give this one a new value."""
    form = ChangePasswordForm()
    session = caller().session
    assert session, "a page is asked for in a session"
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
        return shown(form=form, password_form=form), 422
    value = sessions.confirm(session, Factor.PASSWORD, client=client())
    db.session.commit()
    rate_limits.give_back("step-up", account=account)
    if value:
        login_manager.renew(value)
    flash("Password changed. Other devices were signed out.", "password-changed")
    return redirect(url_for("account.security.show"), 303)


def shown(**changed: Any) -> str:
    """Render the tab; `changed` replaces template variables of its sections."""
    site = Site.at(redirects.origin())
    sections: dict[str, Any] = {
        "password_form": ChangePasswordForm(formdata=None),
        "factor": second_factor.standing_of(current_user()),
        "passkeys": passkeys.passkeys_of(current_user()),
        "sessions": shown_sessions(),
        "address": site.address,
        "local_name": site.local_name,
    }
    return render_template("auth/security.html", **sections | changed)
