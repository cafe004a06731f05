"""The second step of login: a code of the authenticator app, a recovery code, or a passkey."""

from collections.abc import Callable
from functools import partial

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import login_manager, recovery_codes, second_factor
from reflow_accounts.auth.forms import CodeForm, RecoveryCodeForm
from reflow_accounts.auth.models import Factor
from reflow_accounts.auth.pages.sign_in import begin, requested_page
from reflow_accounts.database import db
from reflow_accounts.errors import RateLimited
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client

blueprint = Blueprint("second_step", __name__)

WRONG_RECOVERY_CODE = "This recovery code is not correct, or it was used before"

Answer = str | AnyResponse | tuple[str, int] | tuple[str, int, dict[str, str]]


@blueprint.get("/login/code")
def code() -> Answer:
    """Ask for the second factor."""
    user = login_manager.waiting_user()
    return _ask(user, CodeForm(formdata=None)) if user else _start_over()


@blueprint.post("/login/code")
def enter_code() -> Answer:
    """Start the session if the code is right."""
    user, form = login_manager.waiting_user(), CodeForm()
    if user is None:
        return _start_over()
    try:
        if _is_right(user, second_factor.accept_code, form):
            return _begin(user, Factor.CODE)
    except RateLimited as limited:
        return _ask(user, form.with_fault(str(limited))), limited.status, limited.headers
    return _ask(user, form.with_fault(second_factor.WRONG_CODE)), 422


@blueprint.get("/login/recovery-code")
def recovery_code() -> Answer:
    """Ask for a recovery code."""
    user = login_manager.waiting_user()
    return _ask_recovery(RecoveryCodeForm(formdata=None)) if user else _start_over()


@blueprint.post("/login/recovery-code")
def enter_recovery_code() -> Answer:
    """Start the session if the recovery code is right, and use the code."""
    user, form = login_manager.waiting_user(), RecoveryCodeForm()
    if user is None:
        return _start_over()
    try:
        if _is_right(user, partial(recovery_codes.accept, client=client()), form):
            return _begin(user, Factor.RECOVERY_CODE)
    except RateLimited as limited:
        return _ask_recovery(form.with_fault(str(limited))), limited.status, limited.headers
    return _ask_recovery(form.with_fault(WRONG_RECOVERY_CODE)), 422


def _is_right(user: User, accept: Callable[[User, str], bool], form: CodeForm) -> bool:
    """Return whether the code is accepted; record a wrong one. Raises RateLimited."""
    rate_limits.hit("second-factor", **_tried(user))
    if accept(user, form.code.data or ""):
        return True
    second_factor.refuse(user, client=client())
    db.session.commit()
    return False


def _begin(user: User, second: Factor) -> AnyResponse:
    tried = _tried(user)
    answer = begin(user, Factor.PASSWORD, second)
    # The counter uses a separate transaction, so commit this one first.
    rate_limits.give_back("second-factor", **tried)
    return answer


def _tried(user: User) -> dict[str, str]:
    return {"account": user.public_id, "address": client().address}


def _ask(user: User, form: CodeForm) -> str:
    has_app = second_factor.is_on(user)
    return render_template("auth/code.html", form=form, has_app=has_app, next=requested_page())


def _ask_recovery(form: CodeForm) -> str:
    return render_template("auth/recovery_code.html", form=form, next=requested_page())


def _start_over() -> AnyResponse:
    flash("Signing in took too long. Log in again.", "session")
    return redirect(url_for("public.auth.login", next=requested_page()), 303)
