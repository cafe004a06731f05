"""Sign-up: the form and the page of the mailed link."""

import secrets

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from reflow_accounts.auth import login_manager
from reflow_accounts.auth.login import refuse_sign_in
from reflow_accounts.auth.mail_links import find_link
from reflow_accounts.auth.models import Factor, LinkPurpose, MailLink
from reflow_accounts.auth.pages.sign_in import sign_in
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import Gone, RateLimited, ValidationFailed
from reflow_accounts.marketplace.registration import is_unconnected
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users import sign_up as sign_up_service
from reflow_accounts.users.forms import PasswordForm, SignUpForm
from reflow_accounts.web.request_info import client

blueprint = Blueprint("users", __name__)

# Key in the signed cookie that recognizes the browser that signed up.
_MARKER = "signed_up"
_MARKER_BYTES = 16


@blueprint.get("/signup")
def signup() -> ResponseReturnValue:
    """Show the form."""
    if login_manager.current_session():
        return redirect(url_for("account.profile.show"), 303)
    return _form_page(SignUpForm())


@blueprint.post("/signup")
def sign_up() -> ResponseReturnValue:
    """Queue the sign-up mail; the response is the same for every address."""
    if login_manager.current_session():
        return redirect(url_for("account.profile.show"), 303)
    form = SignUpForm()
    name, email, password = (form[field].data or "" for field in ("full_name", "email", "password"))
    team_name = form.team_name.data or (None if _is_buyer() else "")
    marker = session.setdefault(_MARKER, secrets.token_urlsafe(_MARKER_BYTES))
    try:
        sign_up_service.ask(name, email, team_name, password, hasher=hasher(), marker=marker, client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _form_page(form), 422
    except RateLimited as limited:
        form.email.errors = [str(limited)]
        return _form_page(form), limited.status, limited.headers
    db.session.commit()
    return render_template("users/check_email.html", email=form.email.data)


@blueprint.get("/verify-email/<token>")
def show_link(token: str) -> ResponseReturnValue:
    """Ask to confirm the sign-up. A GET changes nothing, because mail scanners open links."""
    link = find_link(token, LinkPurpose.SIGN_UP)
    if link is None:
        return _dead_link()
    return _page(link, PasswordForm())


@blueprint.post("/verify-email/<token>")
def verify(token: str) -> ResponseReturnValue:
    """Create the account and sign in."""
    link = find_link(token, LinkPurpose.SIGN_UP)
    if link is None:
        return _dead_link()
    form = PasswordForm()
    asks_password = _asks_password(link)
    if asks_password:
        # The link identifies the account; the client address adds no information.
        with rate_limits.attempt("sign-up", account=link.public_id):
            is_right = hasher().matches(form.password.data or "", link.data["password_hash"])
        if not is_right:
            refuse_sign_in(link.email, client())
            db.session.commit()
            form.password.errors = ["Password is not correct"]
            return _page(link, form), 422
    try:
        user = sign_up_service.confirm(link, client=client())
    except Gone:
        db.session.rollback()
        return _dead_link()
    factors = [Factor.MAILED_LINK, Factor.PASSWORD] if asks_password else [Factor.MAILED_LINK]
    return sign_in(user, *factors)


def _form_page(form: SignUpForm) -> str:
    # Show a refused team name to buyers, too.
    asks_team_name = not _is_buyer() or bool(form.team_name.data)
    return render_template("users/signup.html", form=form, asks_team_name=asks_team_name)


def _is_buyer() -> bool:
    """Return whether AWS Marketplace sent this browser; for its purchase, a team name is optional."""
    return is_unconnected(request.cookies.get(current_app.config["CLAIM_COOKIE_NAME"]))


def _asks_password(link: MailLink) -> bool:
    return not sign_up_service.is_from(link, session.get(_MARKER))


def _page(link: MailLink, form: PasswordForm) -> str:
    return render_template("users/verify.html", link=link, form=form, asks_password=_asks_password(link))


def _dead_link() -> ResponseReturnValue:
    return render_template("auth/dead_link.html", purpose=LinkPurpose.SIGN_UP), 410
