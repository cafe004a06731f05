"""Log in, log out, and the Profile tab."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.errors import ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity import service, signed_in
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.forms import LoginForm, ProfileForm
from reflow_accounts.identity.models import SessionKind
from reflow_accounts.identity.passwords import hasher
from reflow_accounts.web.client import client
from reflow_accounts.web.destinations import local_path

WRONG = "Email or password is not correct"

public = Blueprint("identity", __name__)
account = Blueprint("profile", __name__)

Answer = str | AnyResponse | tuple[str, int]


@public.get("/")
def home() -> Answer:
    """Lead to the account when signed in, else to the log-in page."""
    page = "account.profile.show" if signed_in.current_session() else "public.identity.login"
    return redirect(url_for(page), 303)


@public.get("/login")
def login() -> Answer:
    """Show the log-in form."""
    if signed_in.current_session():
        return redirect(_after_login(), 303)
    return render_template("identity/login.html", form=LoginForm())


@public.post("/login")
def log_in() -> Answer:
    """Check e-mail address and password and begin a session."""
    form = LoginForm()
    user = service.find_by_password(form.email.data or "", form.password.data or "", hasher())
    if user is None:
        form.password.errors = [WRONG]
        return render_template("identity/login.html", form=form), 422
    service.renew_password_hash(user, form.password.data or "", hasher())
    row, value = service.start_session(user, SessionKind.BROWSER, client())
    old = signed_in.current_session()
    if old:
        service.end_session(old, by=old.user, client=client())
    db.session.commit()
    signed_in.enter(row, value)
    return redirect(_after_login(), 303)


@public.post("/logout")
def logout() -> Answer:
    """End the session and have the browser forget what it kept of it."""
    row = signed_in.current_session()
    if row:
        service.end_session(row, by=row.user, client=client())
        db.session.commit()
    signed_in.leave()
    response = redirect(url_for("public.identity.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@account.get("")
def index() -> Answer:
    """Lead to the first tab."""
    return redirect(url_for("account.profile.show"), 303)


@account.get("/profile")
def show() -> Answer:
    """Show name, e-mail address and appearance."""
    return render_template("identity/profile.html", form=ProfileForm(obj=me()))


@account.post("/profile")
def save() -> Answer:
    """Change name and appearance."""
    form = ProfileForm()
    try:
        service.change_profile(
            me(), form.full_name.data or "", form.appearance.data or "", by=me(), client=client()
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("identity/profile.html", form=form), 422
    db.session.commit()
    flash("", "profile-saved")
    return redirect(url_for("account.profile.show"), 303)


def _after_login() -> str:
    return local_path(request.values.get("next")) or url_for("account.profile.show")
