"""Pages to log in with a password or a passkey and a second factor, and to log out."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import login as login_service
from reflow_accounts.auth import login_manager, passkeys, recovery_codes, second_factor
from reflow_accounts.auth.forms import CodeForm, CredentialForm, LoginForm, RecoveryCodeForm
from reflow_accounts.auth.login import PasswordReplaced
from reflow_accounts.auth.models import Factor, SessionKind
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import RateLimited
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web import redirects
from reflow_accounts.web.redirects import local_path, page_after_sign_in
from reflow_accounts.web.request_info import client

blueprint = Blueprint("auth", __name__)

WRONG = "Email or password is not correct"
# One message for every reason, so that it does not reveal which passkeys are known.
WRONG_PASSKEY = "This passkey cannot be used here. Log in with your email and password"


WRONG_RECOVERY_CODE = "This recovery code is not correct, or it was used before"


@blueprint.get("/")
def home() -> ResponseReturnValue:
    """Redirect to the account with a session, else to the log-in page."""
    page = "account.profile.show" if login_manager.current_session() else "public.auth.login"
    return redirect(url_for(page), 303)


@blueprint.get("/login")
def login() -> ResponseReturnValue:
    """Show the log-in form."""
    if login_manager.current_session():
        return redirect(after_login(), 303)
    return show_login(LoginForm())


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Check e-mail address and password and start a session."""
    form = LoginForm()
    attempt = login_manager.attempt_for(form.email.data or "")
    try:
        with rate_limits.attempt("sign-in", **attempt):
            user = login_service.find_by_password(form.email.data or "", form.password.data or "", hasher())
    except RateLimited as error:
        form.password.errors = [f"{str(error).removesuffix('.')} or reset your password."]
        return show_login(form), error.status, error.headers
    if user is None:
        login_service.refuse_sign_in(form.email.data or "", client())
        db.session.commit()
        form.password.errors = [WRONG]
        return show_login(form), 422
    rate_limits.give_back("sign-in", **attempt)
    try:
        login_service.renew_password_hash(user, form.password.data or "", hasher())
    except PasswordReplaced as replaced:
        return _ask_for_new_password(replaced)
    return sign_in(user, Factor.PASSWORD)


@blueprint.post("/login/passkey/options")
def passkey_options() -> dict[str, Any]:
    """Return a challenge for any passkey of this site."""
    rate_limits.hit("passkey", address=client().address)
    options = passkeys.options_to_verify(Site.at(redirects.origin()))
    db.session.commit()
    return options


@blueprint.post("/login/passkey")
def log_in_with_passkey() -> ResponseReturnValue:
    """Start a session of the passkey's owner. A passkey counts as both factors."""
    credential = CredentialForm().credential.data or ""
    address = client().address
    try:
        if not credential:
            # The browser got no challenge, perhaps because of this limit: report it here.
            rate_limits.hit("passkey", address=address)
    except RateLimited as limited:
        return _refuse_passkey(str(limited)), limited.status, limited.headers
    passkey = passkeys.verify(credential, Site.at(redirects.origin()))
    if passkey:
        response = begin(passkey.user, Factor.PASSKEY)
        rate_limits.give_back("passkey", address=address)
        return response
    # A wrong answer also uses the challenge.
    db.session.commit()
    return _refuse_passkey(WRONG_PASSKEY), 422


def _refuse_passkey(sentence: str) -> str:
    form = LoginForm(formdata=None)
    form.form_errors = [sentence]
    return show_login(form)


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    """End the session and clear the browser's data of this site."""
    row = login_manager.current_session()
    if row:
        login_service.end_session(row, by=row.user, client=client())
        db.session.commit()
    login_manager.leave()
    response = redirect(url_for("public.auth.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def show_login(form: LoginForm) -> str:
    """Render the log-in page, which keeps the requested page."""
    return render_template("auth/login.html", form=form, next=next_page())


def sign_in(user: User, *first: Factor) -> AnyResponse:
    """Start a session after the first factor, or ask for the second factor if `user` needs one; commit."""
    if not second_factor.is_required_for(user):
        return begin(user, *first)
    login_manager.wait_for_second_factor(user)
    db.session.commit()
    return redirect(url_for("public.auth.code", next=next_page()), 303)


def begin(user: User, *factors: Factor) -> AnyResponse:
    """Start a session of the fully authenticated user and end the browser's previous one; commit."""
    try:
        row, value = login_service.start_session(user, SessionKind.BROWSER, factors, client=client())
    except PasswordReplaced as replaced:
        return _ask_for_new_password(replaced)
    old = login_manager.current_session()
    if old:
        login_service.end_session(old, by=old.user, client=client())
    db.session.commit()
    login_manager.enter(row, value)
    response = redirect(after_login(), 303)
    login_manager.remember_device(response, user)
    return response


def _ask_for_new_password(replaced: PasswordReplaced) -> AnyResponse:
    db.session.rollback()
    flash(str(replaced), "session")
    return redirect(url_for("public.auth.login", next=next_page()), 303)


def after_login() -> str:
    """Return the requested page, a pending registration, or the account."""
    return next_page() or page_after_sign_in() or url_for("account.profile.show")


def next_page() -> str | None:
    """Return the requested page, or None."""
    return local_path(request.values.get("next"))


@blueprint.get("/login/code")
def code() -> ResponseReturnValue:
    """Ask for the second factor."""
    user = login_manager.waiting_user()
    return _ask(user, CodeForm(formdata=None)) if user else _start_over()


@blueprint.post("/login/code")
def enter_code() -> ResponseReturnValue:
    """Start the session if the code is right."""
    user, form = login_manager.waiting_user(), CodeForm()
    if user is None:
        return _start_over()
    try:
        if _is_right(user, second_factor.accept_code, form):
            return _begin_with(user, Factor.CODE)
    except RateLimited as limited:
        return _ask(user, form.with_fault(str(limited))), limited.status, limited.headers
    return _ask(user, form.with_fault(second_factor.WRONG_CODE)), 422


@blueprint.get("/login/recovery-code")
def recovery_code() -> ResponseReturnValue:
    """Ask for a recovery code."""
    user = login_manager.waiting_user()
    return _ask_recovery(RecoveryCodeForm(formdata=None)) if user else _start_over()


@blueprint.post("/login/recovery-code")
def enter_recovery_code() -> ResponseReturnValue:
    """Start the session if the recovery code is right, and use the code."""
    user, form = login_manager.waiting_user(), RecoveryCodeForm()
    if user is None:
        return _start_over()
    try:
        if _is_right(user, partial(recovery_codes.accept, client=client()), form):
            return _begin_with(user, Factor.RECOVERY_CODE)
    except RateLimited as limited:
        return _ask_recovery(form.with_fault(str(limited))), limited.status, limited.headers
    return _ask_recovery(form.with_fault(WRONG_RECOVERY_CODE)), 422


def _is_right(user: User, accept: Callable[[User, str], bool], form: CodeForm) -> bool:
    """Return whether the code is accepted; record a wrong one. Raises RateLimited."""
    rate_limits.hit("second-factor", **login_manager.code_attempt_of(user))
    if accept(user, form.code.data or ""):
        return True
    second_factor.refuse(user, client=client())
    db.session.commit()
    return False


def _begin_with(user: User, second: Factor) -> AnyResponse:
    attempt = login_manager.code_attempt_of(user)
    response = begin(user, Factor.PASSWORD, second)
    # The counter uses a separate transaction, so commit this one first.
    rate_limits.give_back("second-factor", **attempt)
    return response


def _ask(user: User, form: CodeForm) -> str:
    has_app = second_factor.is_on(user)
    return render_template("auth/code.html", form=form, has_app=has_app, next=next_page())


def _ask_recovery(form: CodeForm) -> str:
    return render_template("auth/recovery_code.html", form=form, next=next_page())


def _start_over() -> AnyResponse:
    flash("Signing in took too long. Log in again.", "session")
    return redirect(url_for("public.auth.login", next=next_page()), 303)
