"""The second page of signing in: the authenticator app's code, a recovery code, or a passkey."""

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.extensions import db
from reflow_accounts.identity import pending, recovery_codes, second_factor
from reflow_accounts.identity.forms import CodeForm, RecoveryCodeForm
from reflow_accounts.identity.models import User
from reflow_accounts.identity.pages.blueprints import public
from reflow_accounts.identity.pages.sign_in import begin, wanted_page
from reflow_accounts.web.client import client

WRONG_RECOVERY_CODE = "This recovery code is not correct, or it was used before"

Answer = str | AnyResponse | tuple[str, int]


@public.get("/login/code")
def code() -> Answer:
    """Ask for the second factor."""
    user = pending.waiting_user()
    return _ask(user, CodeForm(formdata=None)) if user else _start_over()


@public.post("/login/code")
def enter_code() -> Answer:
    """Begin the session when the code is right."""
    user, form = pending.waiting_user(), CodeForm()
    if user is None:
        return _start_over()
    if second_factor.accept_code(user, form.code.data or ""):
        return begin(user)
    form.code.errors = [second_factor.WRONG_CODE]
    _write_down_refusal(user, "Authentication code")
    return _ask(user, form), 422


@public.get("/login/recovery-code")
def recovery_code() -> Answer:
    """Ask for a recovery code."""
    user = pending.waiting_user()
    return _ask_recovery(RecoveryCodeForm(formdata=None)) if user else _start_over()


@public.post("/login/recovery-code")
def enter_recovery_code() -> Answer:
    """Begin the session when the recovery code is right; it is used up."""
    user, form = pending.waiting_user(), RecoveryCodeForm()
    if user is None:
        return _start_over()
    if recovery_codes.accept(user, form.code.data or "", client=client()):
        return begin(user)
    form.code.errors = [WRONG_RECOVERY_CODE]
    _write_down_refusal(user, "Recovery code")
    return _ask_recovery(form), 422


def _ask(user: User, form: CodeForm) -> str:
    has_app = second_factor.is_on(user)
    return render_template("identity/code.html", form=form, has_app=has_app, next=wanted_page())


def _ask_recovery(form: RecoveryCodeForm) -> str:
    return render_template("identity/recovery_code.html", form=form, next=wanted_page())


def _start_over() -> AnyResponse:
    flash("Signing in took too long. Log in again.", "session")
    return redirect(url_for("public.identity.login", next=wanted_page()), 303)


def _write_down_refusal(user: User, subject: str) -> None:
    record(Action.SIGN_IN_REFUSED, by=user, account=user, subject=subject, address=client().address)
    db.session.commit()
