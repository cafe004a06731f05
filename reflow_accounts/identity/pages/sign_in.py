"""Log in and log out."""

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.errors import RateLimited
from reflow_accounts.extensions import db
from reflow_accounts.identity import pending, second_factor, service, signed_in
from reflow_accounts.identity.forms import LoginForm
from reflow_accounts.identity.models import Factor, SessionKind, User
from reflow_accounts.identity.pages.blueprints import public
from reflow_accounts.identity.passwords import hasher
from reflow_accounts.limits import service as limits
from reflow_accounts.web.client import client
from reflow_accounts.web.destinations import local_path, waiting_page

WRONG = "Email or password is not correct"

Answer = str | AnyResponse | tuple[str, int] | tuple[str, int, dict[str, str]]


@public.get("/")
def home() -> Answer:
    """Lead to the account when signed in, else to the log-in page."""
    page = "account.profile.show" if signed_in.current_session() else "public.identity.login"
    return redirect(url_for(page), 303)


@public.get("/login")
def login() -> Answer:
    """Show the log-in form."""
    if signed_in.current_session():
        return redirect(after_login(), 303)
    return show_login(LoginForm())


@public.post("/login")
def log_in() -> Answer:
    """Check e-mail address and password and begin a session."""
    form = LoginForm()
    tried = {"account": form.email.data or "", "address": client().address}
    try:
        limits.hit("sign-in", **tried)
    except RateLimited as error:
        form.password.errors = [f"{str(error).removesuffix('.')} or reset your password."]
        headers = {"Retry-After": str(error.retry_after)}
        return show_login(form), error.status, headers
    user = service.find_by_password(form.email.data or "", form.password.data or "", hasher())
    if user is None:
        service.refuse_sign_in(form.email.data or "", client())
        db.session.commit()
        form.password.errors = [WRONG]
        return show_login(form), 422
    limits.give_back("sign-in", **tried)
    service.renew_password_hash(user, form.password.data or "", hasher())
    return sign_in(user, Factor.PASSWORD)


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


def show_login(form: LoginForm) -> str:
    """Write the log-in page; wherever the person wanted to go survives."""
    return render_template("identity/login.html", form=form, next=wanted_page())


def sign_in(user: User, *first: Factor) -> AnyResponse:
    """Go on after one proof to be `user`: to the second factor when one is asked for, else begin; commit."""
    if not second_factor.is_asked_for(user):
        return begin(user, *first)
    pending.wait_for(user)
    db.session.commit()
    return redirect(url_for("public.identity.code", next=wanted_page()), 303)


def begin(user: User, *factors: Factor) -> AnyResponse:
    """Begin the browser's session of somebody who has proved all that is asked, ending the one before; commit."""
    row, value = service.start_session(user, SessionKind.BROWSER, factors, client=client())
    old = signed_in.current_session()
    if old:
        service.end_session(old, by=old.user, client=client())
    db.session.commit()
    signed_in.enter(row, value)
    return redirect(after_login(), 303)


def after_login() -> str:
    """Return where the person wanted to go, or what waits for them, or the account."""
    return wanted_page() or waiting_page() or url_for("account.profile.show")


def wanted_page() -> str | None:
    """Return where the person wanted to go, or None."""
    return local_path(request.values.get("next"))
