"""Pages of a device login: type the terminal's code, then approve or deny (RFC 8628, 3.3)."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.device_flow import decide, login_of, reserve
from reflow_accounts.auth.forms import DeviceCodeForm
from reflow_accounts.auth.models import DeviceLogin
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, RateLimited, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.web.request_info import client

blueprint = Blueprint("device_login", __name__)


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Ask for the code."""
    return _form(DeviceCodeForm(formdata=None))


@blueprint.post("")
def enter_code() -> ResponseReturnValue:
    """Reserve the login with this code for the user and redirect to it."""
    form = DeviceCodeForm()
    attempt = {"account": current_user().public_id, "address": client().address}
    try:
        rate_limits.hit("device-code", **attempt)
        login = reserve(current_user(), form.code.data or "")
    except RateLimited as error:
        form.code.errors = [str(error)]
        return _form(form), error.status, error.headers
    except ValidationFailed as failed:
        db.session.rollback()
        user = current_user()
        record(
            Action.DEVICE_CODE_REFUSED,
            by=user,
            account=user,
            subject=client().device,
            address=client().address,
        )
        db.session.commit()
        form.show(failed)
        return _form(form), failed.status
    db.session.commit()
    rate_limits.give_back("device-code", **attempt)
    return _back(login)


@blueprint.get("/<login_id>")
def show_login(login_id: str) -> ResponseReturnValue:
    """Show the terminal and the state of the login."""
    return _page(login_of(current_user(), login_id))


@blueprint.post("/<login_id>/approval")
def approve(login_id: str) -> ResponseReturnValue:
    """Approve the login; the terminal gets all rights of the user."""
    ensure_recent_proof()
    return _decide(login_of(current_user(), login_id), True)


@blueprint.post("/<login_id>/denial")
def deny(login_id: str) -> ResponseReturnValue:
    """Deny the login."""
    return _decide(login_of(current_user(), login_id), False)


def _decide(login: DeviceLogin, is_approved: bool) -> ResponseReturnValue:
    try:
        decide(login, is_approved, by=current_user(), client=client())
    except Conflict as conflict:
        # The page shows the state instead.
        return _page(login), conflict.status
    db.session.commit()
    return _back(login)


def _back(login: DeviceLogin) -> Response:
    return redirect(url_for("device.device_login.show_login", login_id=login.public_id), 303)


def _page(login: DeviceLogin) -> str:
    is_elsewhere = login.address != client().address
    return render_template("auth/device_decision.html", login=login, is_elsewhere=is_elsewhere)


def _form(form: DeviceCodeForm) -> str:
    return render_template("auth/device.html", form=form)
