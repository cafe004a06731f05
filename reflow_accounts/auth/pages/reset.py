"""Password reset: request a link, and set a new password with it."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from reflow_accounts.auth import login_manager, password_change
from reflow_accounts.auth.forms import ForgotForm, ResetForm
from reflow_accounts.auth.mail_links import find_link
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import Gone, RateLimited, ValidationFailed
from reflow_accounts.web.request_info import client

blueprint = Blueprint("reset", __name__)


@blueprint.get("/forgot-password")
def forgot() -> ResponseReturnValue:
    """Ask for the address."""
    if login_manager.current_session():
        return redirect(url_for("account.security.show"), 303)
    return render_template("auth/forgot.html", form=ForgotForm())


@blueprint.post("/forgot-password")
def ask_reset() -> ResponseReturnValue:
    """Queue the mail; the response is the same for every address."""
    form = ForgotForm()
    try:
        password_change.ask_reset(form.email.data or "", client=client())
    except ValidationFailed as failed:
        form.show(failed)
        return render_template("auth/forgot.html", form=form), 422
    except RateLimited as limited:
        form.email.errors = [str(limited)]
        return render_template("auth/forgot.html", form=form), limited.status, limited.headers
    db.session.commit()
    return render_template("auth/forgot_sent.html", email=form.email.data)


@blueprint.get("/reset-password/<token>")
def show_reset(token: str) -> ResponseReturnValue:
    """Ask for the new password."""
    link = _link(token)
    if link is None:
        return _dead_link()
    return render_template("auth/reset.html", form=ResetForm(), link=link)


@blueprint.post("/reset-password/<token>")
def reset(token: str) -> ResponseReturnValue:
    """Set the new password, end every session, and redirect to the log-in page, which asks for a second factor."""
    link = _link(token)
    if link is None:
        return _dead_link()
    form = ResetForm()
    try:
        password_change.reset(link, form.new_password.data or "", hasher(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("auth/reset.html", form=form, link=link), 422
    except Gone:
        db.session.rollback()
        return _dead_link()
    db.session.commit()
    session = login_manager.current_session()
    if session and session.user_id == link.user_id:
        login_manager.leave()
    flash("Your password was changed. Log in with the new one.", "session")
    return redirect(url_for("public.auth.login"), 303)


def _link(token: str) -> MailLink | None:
    link = find_link(token, LinkPurpose.RESET_PASSWORD)
    return link if link and password_change.user_of(link) else None


def _dead_link() -> ResponseReturnValue:
    return render_template("auth/dead_link.html", purpose=LinkPurpose.RESET_PASSWORD), 410
